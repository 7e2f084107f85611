"""slurmrestd: HTTP in front of slurmctld and slurmdbd, with no state of its own.

`endpoints` is the table from which the routes (`app`), the OpenAPI document (`openapi`) and the checks of a request
follow; `conditions` are the tables of query parameters. A request becomes a `call.Call`, its handler (`slurmctld`,
`slurmdbd`) asks the daemon as the caller's user (`daemons`: the token travels on, slurmctld judges it) and returns a
`call.Reply`. Documents of the daemons are passed on as they arrive.
"""
