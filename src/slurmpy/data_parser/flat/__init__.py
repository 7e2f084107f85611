"""The documents of the releases before the data parsers: flat, with null for what is not set, and plain numbers.

v0.0.37 and v0.0.38 (in slurmdb: dbv0.0.37 and dbv0.0.38) are what Slurm 22.05 serves. `types` are their parser types,
`jobs`, `cluster`, `accounts` and `past_jobs` the tables of records, `submissions` reads the description of a job,
`envelopes` are the documents around the records, `plugin` puts a version together. Unlike later documents these were
described by hand in their release's OpenAPI document, so a table may say of a property that it is documented as
something else, or not at all (`types.FlatTable`).
"""
