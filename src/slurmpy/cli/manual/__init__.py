"""Man pages and shell completions, made from the tables of the commands, daemons and configuration files."""
