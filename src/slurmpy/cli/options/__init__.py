"""Option tables of the commands that submit and cancel jobs."""
