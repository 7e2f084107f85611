"""Documents: what ``--json``, ``--yaml`` and the REST daemon show of records, and what they read.

A version is a set of tables. A `tables.Table` lists the fields of one object: the place in the document, the parser
type, the attribute of the record. From the tables follow, in every version:

- `plugin.Plugin.dump` and `parse`: records to documents and back, with errors that name the place;
- `plugin.Plugin.encode` and `encode_yaml`: the same documents as text, by functions that `compiler` makes of a table;
- `plugin.Plugin.schemas`: the OpenAPI components.

Where to look: `types`, `lists`, `exit_code` and `tres` are the parser types, `kinds` those that many tables share;
`jobs`, `nodes`, `partitions`, `reservations`, `steps`, `controller_info`, `slurmdb_jobs`, `slurmdb_accounts` the
tables of records; `submissions` and `requests` those of what clients send; `envelopes` the documents around them.
`v0_0_42` puts them together, `v0_0_41` and `v0_0_40` are tables of differences (`versions`). A new version is one
more such module and a line in `registry`. `flat` holds those of before the data parsers. `stream` keeps encoded
fragments and joins them into documents of any length.
"""
