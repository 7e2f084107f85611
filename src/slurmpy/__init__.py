"""slurmpy: Slurm's command line for any machine."""

__version__ = "0.1.0"

#: The release whose behaviour the commands follow; what ``-V`` prints.
SLURM_VERSION = "24.11.5"
