"""Containers: what slurmstepd does to run a task in an OCI bundle through the runtime that oci.conf names."""
