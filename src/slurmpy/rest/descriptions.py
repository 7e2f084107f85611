"""What each operation does, in a sentence, as the OpenAPI document and the explorer tell it."""

from __future__ import annotations

import re

#: method and path of slurmctld's, with {} for what a path names
SLURM = {
    "GET shares": "The tree of shares, with usage and fair-share factors, of some or all users and accounts.",
    "GET reconfigure": "Has slurmctld and the slurmds read their configuration again.",
    "GET diag": "What slurmctld counts: threads, jobs, cycles of the schedulers, requests by kind and by user.",
    "GET ping": "Which slurmctlds answer, and how fast.",
    "GET licenses": "Licenses: how many there are, used, reserved.",
    "DELETE jobs": "Signals or cancels the jobs that are chosen by the body: by number, user, partition and so on.",
    "GET jobs": "Jobs that slurmctld knows: waiting, running, and for some time those that are over.",
    "GET jobs/state": "The states of jobs alone.",
    "POST job/submit": "Submits a batch job, or the components of a heterogeneous one, with a script.",
    "POST job/allocate": "Asks for an allocation of resources without a script.",
    "GET job/{}": "One job; of an array or a heterogeneous job all that slurmctld has a record of.",
    "POST job/{}": "Changes a job as scontrol update does.",
    "DELETE job/{}": "Cancels a job, or sends its steps a signal.",
    "GET job/{}/requeue": "Puts a job back into the queue, or holds it there.",
    "POST jobs/requeue": "Puts jobs back into the queue, or holds them there.",
    "GET conf": "The configuration that slurmctld runs with.",
    "GET nodes": "Nodes: what they have, what of it is in use, their states.",
    "POST nodes": "Changes nodes, given by a host list, as scontrol update does.",
    "GET node/{}": "One node.",
    "POST node/{}": "Changes a node as scontrol update does.",
    "DELETE node/{}": "Takes a dynamic node out of the cluster.",
    "POST new/node": "Makes nodes out of a line of slurm.conf.",
    "GET resources/{}": "Which nodes, cores and memory a job holds.",
    "GET partitions": "Partitions: nodes, limits, states.",
    "POST partitions": "Makes or changes partitions.",
    "GET partition/{}": "One partition.",
    "DELETE partition/{}": "Takes a partition away.",
    "GET reservations": "Reservations of nodes, cores and licenses.",
    "POST reservations": "Makes or changes reservations.",
    "POST reservation": "Makes or changes a reservation.",
    "GET reservation/{}": "One reservation.",
    "DELETE reservation/{}": "Takes a reservation away.",
}
#: those of slurmdbd
SLURMDB = {
    "GET accounts": "Accounts of the database.",
    "POST accounts": "Makes or changes accounts.",
    "GET account/{}": "One account.",
    "DELETE account/{}": "Takes an account away, with its associations.",
    "GET users": "Users of the database.",
    "POST users": "Makes or changes users.",
    "GET user/{}": "One user.",
    "DELETE user/{}": "Takes a user away, with his associations.",
    "GET associations": "Associations of accounts, users, clusters and partitions, with their limits.",
    "POST associations": "Makes or changes associations.",
    "DELETE associations": "Takes the associations away that the parameters choose.",
    "GET association": "The one association that the parameters choose.",
    "DELETE association": "Takes the one association away that the parameters choose.",
    "GET qos": "Qualities of service, with their limits.",
    "POST qos": "Makes or changes qualities of service.",
    "GET qos/{}": "One quality of service.",
    "DELETE qos/{}": "Takes a quality of service away.",
    "GET clusters": "Clusters that the database knows.",
    "POST clusters": "Makes or changes clusters.",
    "GET cluster/{}": "One cluster.",
    "DELETE cluster/{}": "Takes a cluster away.",
    "GET wckeys": "Workload characterization keys.",
    "POST wckeys": "Makes workload characterization keys.",
    "GET wckey/{}": "One workload characterization key.",
    "DELETE wckey/{}": "Takes a workload characterization key away.",
    "GET tres": "Trackable resources, with their numbers.",
    "POST tres": "Makes trackable resources, as far as a release lets clients do so.",
    "GET instance": "One instance of the cloud that ran as a node.",
    "GET instances": "Instances of the cloud that ran as nodes.",
    "POST accounts_association": "Makes accounts together with their associations.",
    "POST users_association": "Makes users together with their associations.",
    "GET config": "Accounts, associations, clusters, QOS, users and the rest in one document, to be loaded elsewhere.",
    "POST config": "Loads such a document.",
    "GET conf": "The configuration that slurmdbd runs with.",
    "GET job/{}": "A job as the database has it, with its steps.",
    "POST job/{}": "Changes what the database has of a job.",
    "GET jobs": "Jobs of the database that the parameters choose, over or not.",
    "POST jobs": "Changes what the database has of jobs.",
    "GET diag": "What slurmdbd counts: roll-ups, requests by kind and by user.",
    "GET ping": "Which slurmdbds answer, and how fast.",
}
UTIL = {
    "POST hostlist": "Folds host names to a host list expression.",
    "POST hostnames": "Unfolds a host list expression to host names.",
}
OF_FAMILY = {"slurm": SLURM, "slurmdb": SLURMDB, "util": UTIL}

_PLACE = re.compile(r"\{\w+\}")


def of(family: str, method: str, path: str) -> str:
    """The sentence of an operation; ``path`` as the table of endpoints has it, without family and version."""
    return OF_FAMILY[family][f"{method} {_PLACE.sub('{}', path).strip('/')}"]
