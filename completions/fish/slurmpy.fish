# fish completion of slurmpy's commands.
# Made from the tables in the source by "python -m slurmpy.cli.generate"; do not edit.

function __slurmpy_ask --description 'what the cluster knows'
    set -l word (commandline -ct | string replace -r '^--?[A-Za-z-]+=' '')
    set -l head (string match -r '^.*,' -- $word)
    set -l rest (string replace -r '^.*,' '' -- $word)
    for found in ($argv[1] --autocomplete=:$argv[2]:$rest 2>/dev/null)
        echo $head$found
    end
end

complete -c sacct -f
complete -c sacct -s A -l accounts -d 'Only jobs of these accounts (comma-separated)' -x -a '(__slurmpy_ask sacct account)'
complete -c sacct -l account -d 'Same as --accounts' -x
complete -c sacct -s a -l allusers -d 'Jobs of all users (root sees them anyway)'
complete -c sacct -s L -l allclusters -d 'Jobs of all clusters of the database'
complete -c sacct -s X -l allocations -d 'Only the jobs'\'' own lines, no steps'
complete -c sacct -s t -l total -d 'Same as --allocations'
complete -c sacct -l array -d 'A line for each task of an array that still waits'
complete -c sacct -s x -l associations -d 'Only jobs of these associations, by id' -x
complete -c sacct -s B -l batch-script -d 'Print the batch scripts of the jobs named with -j'
complete -c sacct -s b -l brief -d 'The fields jobid, state and exitcode'
complete -c sacct -s M -l clusters -d 'Only jobs of these clusters; -1 for all' -x
complete -c sacct -l cluster -d 'Same as --clusters' -x
complete -c sacct -s c -l completion -d 'Read the job completion plugin'\''s records instead of the database'
complete -c sacct -s C -l constraints -d 'Only jobs that asked for all of these features' -x
complete -c sacct -l delimiter -d 'What stands between the fields with -p and -P (a bar)' -x
complete -c sacct -s D -l duplicates -d 'Every record of jobs that were requeued, not only the last'
complete -c sacct -s E -l endtime -d 'Jobs that were there before this time (now)' -x
complete -c sacct -l env-vars -d 'Print the environments of the batch jobs named with -j'
complete -c sacct -l expand-patterns -d 'Fill in the %-patterns of the names of standard files'
complete -c sacct -l federation -d 'Jobs of all clusters of the federation, if the cluster is in one'
complete -c sacct -s F -l flags -d 'Only jobs with one of these flags: SchedSubmit, SchedMain, SchedBackfill, StartReceived' -x
complete -c sacct -s o -l format -d 'The fields to print, each with an optional %WIDTH (negative: to the left); ALL for all' -x
complete -c sacct -l fields -d 'Same as --format' -x
complete -c sacct -s g -l gid -d 'Only jobs of these groups, by name or number' -x
complete -c sacct -l group -d 'Same as --gid' -x
complete -c sacct -s e -l helpformat -d 'List the fields for --format'
complete -c sacct -l help-fields -d 'Same as --helpformat'
complete -c sacct -l helpreason -d 'List the reasons for --reason'
complete -c sacct -l helpstate -d 'List the job states for --state'
complete -c sacct -s j -l jobs -d 'Only these jobs, array tasks (12_3), parts (12+1) or steps (12.0)' -x -a '(__slurmpy_ask sacct job)'
complete -c sacct -l json -d 'Print JSON, by this version of the data parser'
complete -c sacct -l local -d 'Only jobs of this cluster, even if it is in a federation'
complete -c sacct -s l -l long -d 'Many fields: nearly all that a step used'
complete -c sacct -l name -d 'Only jobs with one of these names' -x
complete -c sacct -s I -l ncpus -d 'Only jobs that got so many CPUs' -x
complete -c sacct -s i -l nnodes -d 'Only jobs that got so many nodes' -x
complete -c sacct -l noconvert -d 'Do not change amounts into larger units (2048M stays 2048M)'
complete -c sacct -s N -l nodelist -d 'Only jobs that ran on one of these nodes' -x -a '(__slurmpy_ask sacct node)'
complete -c sacct -s n -l noheader -d 'No header'
complete -c sacct -s p -l parsable -d 'Fields between bars, one at the end of the line too'
complete -c sacct -s P -l parsable2 -d 'Fields between bars, none at the end of the line'
complete -c sacct -s r -l partition -d 'Only jobs of these partitions' -x -a '(__slurmpy_ask sacct partition)'
complete -c sacct -s q -l qos -d 'Only jobs of these QOS' -x -a '(__slurmpy_ask sacct qos)'
complete -c sacct -l reason -d 'Only jobs that last waited for one of these reasons' -x
complete -c sacct -s S -l starttime -d 'Jobs that were there after this time (midnight; with -j the beginning; with -s now)' -x
complete -c sacct -s s -l state -d 'Only jobs in one of these states during the time asked for (letters or names)' -x -a '(__slurmpy_ask sacct state)'
complete -c sacct -s K -l timelimit-max -d 'Only jobs with at most this time limit (with -k)' -x
complete -c sacct -s k -l timelimit-min -d 'Only jobs with this time limit, or from it up to -K' -x
complete -c sacct -s T -l truncate -d 'Cut start and end times to the time asked for'
complete -c sacct -s u -l uid -d 'Only jobs of these users, by name or number' -x -a '(__fish_complete_users)'
complete -c sacct -l user -d 'Same as --uid' -x
complete -c sacct -l units -d 'Print amounts in this unit: K, M, G, T or P' -x
complete -c sacct -l use-local-uid -d 'Show users by this host'\''s names for their numbers'
complete -c sacct -s v -l verbose -d 'Say which jobs are looked for'
complete -c sacct -s W -l wckeys -d 'Only jobs with one of these WCKeys' -x
complete -c sacct -l whole-hetjob -d 'All parts of a heterogeneous job when -j names one'
complete -c sacct -l yaml -d 'Print YAML, by this version of the data parser'
complete -c sacct -s U -l usage -d 'Show the short usage message and exit'
complete -c sacct -s h -l help -d 'Show this help and exit'
complete -c sacct -s V -l version -d 'Show the release of Slurm and exit'

complete -c sacctmgr -f -a 'add archive associations clear create delete dump exit help list load modify oneliner parsable parsable2 ping quiet quit readonly reconfigure remove show shutdown update verbose version'
complete -c sacctmgr -s s -l associations -d 'With show: list the associations of accounts and users as well'
complete -c sacctmgr -s i -l immediate -d 'Make changes at once, without asking'
complete -c sacctmgr -l json -d 'Print JSON, by this version of the data parser (where it is)'
complete -c sacctmgr -s n -l noheader -d 'No header'
complete -c sacctmgr -s o -l oneliner -d 'One record a line (lists are so anyway)'
complete -c sacctmgr -s p -l parsable -d 'Fields between bars, one at the end of the line too'
complete -c sacctmgr -s P -l parsable2 -d 'Fields between bars, none at the end of the line'
complete -c sacctmgr -s Q -l quiet -d 'Nothing but errors'
complete -c sacctmgr -s r -l readonly -d 'Refuse to change anything'
complete -c sacctmgr -s v -l verbose -d 'Say more'
complete -c sacctmgr -l yaml -d 'Print YAML, by this version of the data parser (where it is)'
complete -c sacctmgr -s h -l help -d 'Show this help and exit'
complete -c sacctmgr -l usage -d 'Show the short usage message and exit'
complete -c sacctmgr -s V -l version -d 'Show the release of Slurm and exit'

complete -c salloc -x -a '(__fish_complete_subcommand)'
complete -c salloc -s A -l account -d 'Charge the job to this account instead of your default one' -x -a '(__slurmpy_ask salloc account)'
complete -c salloc -l acctg-freq -d 'How often usage is sampled: task=10, energy=30, network=..., filesystem=...; 0 turns it off' -x
complete -c salloc -l bb -d 'Burst buffer specification' -x
complete -c salloc -l bbf -d 'File with the burst buffer specification' -r
complete -c salloc -s b -l begin -d 'Not before this time: now+1hour, 16:00, teatime, 2030-12-31T08:00, 12/31' -x
complete -c salloc -l bell -d 'Ring the terminal'\''s bell when the allocation is granted'
complete -c salloc -s D -l chdir -d 'Working directory; the present one unless given' -r -a '(__fish_complete_directories)'
complete -c salloc -l cluster -d 'Another spelling of --clusters' -x
complete -c salloc -s M -l clusters -d 'Clusters to submit to, the one that starts the job first wins' -x
complete -c salloc -l comment -d 'A remark that is kept with the job' -x
complete -c salloc -s C -l constraint -d 'Features the nodes must have: fast&ib, fast|slow, [rack1|rack2], fast*2&slow*1' -x
complete -c salloc -l container -d 'OCI bundle to run in' -r -a '(__fish_complete_directories)'
complete -c salloc -l container-id -d 'OCI name of the container' -x
complete -c salloc -l context -d 'SELinux context of the job' -x
complete -c salloc -l contiguous -d 'Nodes must follow one another'
complete -c salloc -s S -l core-spec -d 'Cores of each node left to the system' -x
complete -c salloc -l cores-per-socket -d 'Cores per socket the nodes must have' -x
complete -c salloc -l cpu-freq -d 'CPU frequency in kHz, low, medium, high, highm1, or a governor' -x
complete -c salloc -l cpus-per-gpu -d 'CPUs for each GPU' -x
complete -c salloc -s c -l cpus-per-task -d 'CPUs for each task' -x
complete -c salloc -l deadline -d 'Remove the job when it can no longer end before this time' -x
complete -c salloc -l delay-boot -d 'Wait so long for nodes with the wanted features before others are rebooted into them' -x
complete -c salloc -s d -l dependency -d 'Start only when other jobs allow it: after:ID[+minutes], afterany:ID, afterok:ID, afternotok:ID, aftercorr:ID, afterburstbuffer:ID, singleton; joined by commas (all) or question marks (any)' -x
complete -c salloc -s m -l distribution -d 'How tasks spread over nodes, sockets and cores: block, cyclic, plane=N, arbitrary; block:cyclic:block' -x
complete -c salloc -s x -l exclude -d 'Nodes that the job must not get' -x -a '(__slurmpy_ask salloc node)'
complete -c salloc -l exclusive -d 'Share the nodes with no other job, or only with those of the same user, MCS label, or topology block' -a 'user mcs topo'
complete -c salloc -l extra -d 'Free text kept with the job for other programs' -x
complete -c salloc -s B -l extra-node-info -d 'Sockets per node, cores per socket and threads per core the nodes must have' -x
complete -c salloc -l gpu-bind -d 'Which GPUs a task sees: closest, none, single:N, per_task:N, map_gpu:..., mask_gpu:' -x
complete -c salloc -l gpu-freq -d 'Frequency of the GPUs: low, medium, high, highm1, MHz; memory=...; verbose' -x
complete -c salloc -s G -l gpus -d 'GPUs of the whole job' -x
complete -c salloc -l gpus-per-node -d 'GPUs of each node' -x
complete -c salloc -l gpus-per-socket -d 'GPUs of each socket' -x
complete -c salloc -l gpus-per-task -d 'GPUs of each task' -x
complete -c salloc -l gres -d 'Generic resources of each node: gpu:2, gpu:a100:1, shard:4' -x
complete -c salloc -l gres-flags -d 'enforce-binding, disable-binding, allow-task-sharing' -x -a 'disable-binding enforce-binding allow-task-sharing'
complete -c salloc -l hint -d 'What kind of program it is: compute_bound, memory_bound, multithread, nomultithread' -x -a 'compute_bound memory_bound multithread nomultithread help'
complete -c salloc -s H -l hold -d 'Submit in held state; scontrol release lets it go'
complete -c salloc -s I -l immediate -d 'Give up if the resources are not free within so many seconds (1)'
complete -c salloc -s J -l job-name -d 'The name under which the job is listed; the script'\''s or command'\''s name unless given' -x
complete -c salloc -s K -l kill-command -d 'Signal (TERM) for the command when the allocation is revoked' -a '(__slurmpy_ask salloc signal)'
complete -c salloc -s L -l licenses -d 'Licenses to hold while the job runs' -x
complete -c salloc -l mail-type -d 'Send mail on these events: BEGIN, END, FAIL, REQUEUE, INVALID_DEPEND, STAGE_OUT, ALL, TIME_LIMIT, TIME_LIMIT_90, TIME_LIMIT_80, TIME_LIMIT_50, ARRAY_TASKS (one mail a task) or NONE' -x -a 'NONE ALL ARRAY_TASKS INVALID_DEPEND BEGIN END FAIL REQUEUE STAGE_OUT TIME_LIMIT_50 TIME_LIMIT_80 TIME_LIMIT_90 TIME_LIMIT'
complete -c salloc -l mail-user -d 'Who gets the mail; you, unless given' -x
complete -c salloc -l mcs-label -d 'Multi-category security label' -x
complete -c salloc -l mem -d 'Memory per node, in MiB unless a unit is given; 0: all of it' -x
complete -c salloc -l mem-bind -d 'How tasks are bound to memory; --mem-bind=help tells' -x
complete -c salloc -l mem-per-cpu -d 'Memory for each allocated CPU' -x
complete -c salloc -l mem-per-gpu -d 'Memory for each GPU' -x
complete -c salloc -l mincpus -d 'CPUs each node must have at least' -x
complete -c salloc -l network -d 'Network resources' -x
complete -c salloc -l nice -d 'Lower the priority by N (100 unless given); only operators may give a negative N'
complete -c salloc -l no-bell -d 'Never ring the terminal'\''s bell'
complete -c salloc -s k -l no-kill -d 'Let the job live on when one of its nodes fails' -a 'off'
complete -c salloc -l no-shell -d 'Leave the allocation standing and run nothing'
complete -c salloc -s F -l nodefile -d 'File with the names of the nodes that must be among the job'\''s' -r
complete -c salloc -s w -l nodelist -d 'Nodes that must be among the job'\''s: n[1-3,7], or a file (with a slash in its name)' -x -a '(__slurmpy_ask salloc node)'
complete -c salloc -s N -l nodes -d 'Number of nodes: 4, 2-8, or a list of counts that will do: 1,2,4 or 2-16:2' -x
complete -c salloc -s n -l ntasks -d 'Number of tasks the job will start' -x
complete -c salloc -l ntasks-per-core -d 'At most so many tasks on a core' -x
complete -c salloc -l ntasks-per-gpu -d 'So many tasks for each GPU' -x
complete -c salloc -l ntasks-per-node -d 'Tasks on each node (with --ntasks: at most so many)' -x
complete -c salloc -l ntasks-per-socket -d 'At most so many tasks on a socket' -x
complete -c salloc -l ntasks-per-tres -d 'So many tasks for each GPU' -x
complete -c salloc -l oom-kill-step -d 'Kill the whole step when one of its tasks runs out of memory' -a '0 1'
complete -c salloc -s O -l overcommit -d 'One CPU per node will do for all tasks'
complete -c salloc -s s -l oversubscribe -d 'The job may share its CPUs with others'
complete -c salloc -s p -l partition -d 'Partitions in which the job may run, separated by commas; the first one free takes it' -x -a '(__slurmpy_ask salloc partition)'
complete -c salloc -l prefer -d 'Features that would be good to have' -x
complete -c salloc -l priority -d 'Priority of the job (operators only)' -x
complete -c salloc -l profile -d 'Detailed measurements to take: all, none, or energy, lustre, network, task' -x -a 'all none energy lustre network task'
complete -c salloc -s q -l qos -d 'Quality of service of the job' -x -a '(__slurmpy_ask salloc qos)'
complete -c salloc -s Q -l quiet -d 'Say only what went wrong'
complete -c salloc -l reboot -d 'Reboot the nodes before the job starts (operators only)'
complete -c salloc -l reservation -d 'Run in a reservation (or the first of several that can take the job)' -x -a '(__slurmpy_ask salloc reservation)'
complete -c salloc -l resv-ports -d 'Always refused, as no ports are reserved without Slurm'\''s step management'
complete -c salloc -l segment -d 'Size of the segments of a block topology' -x
complete -c salloc -l signal -d 'Send a signal so many seconds (60) before the time limit, to the steps or (B:) the batch shell only' -x -a '(__slurmpy_ask salloc signal)'
complete -c salloc -l sockets-per-node -d 'Sockets the nodes must have' -x
complete -c salloc -l spread-job -d 'Spread the job over as many nodes as possible'
complete -c salloc -l stepmgr -d 'Let the job'\''s first node manage its steps'
complete -c salloc -l switches -d 'At most so many switches between the nodes, and how long to wait for such nodes' -x
complete -c salloc -l tasks-per-node -d 'Another spelling of --ntasks-per-node' -x
complete -c salloc -l thread-spec -d 'Threads of each node left to the system' -x
complete -c salloc -l threads-per-core -d 'Threads of each core the job uses' -x
complete -c salloc -s t -l time -d 'Time limit: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]; 0: none' -x
complete -c salloc -l time-min -d 'A shorter limit is as good if the job can start sooner, but not below this one' -x
complete -c salloc -l tmp -d 'Temporary disk space each node must have' -x
complete -c salloc -l tres-bind -d 'Binding of tasks to resources: gres/gpu:closest' -x
complete -c salloc -l tres-per-task -d 'Resources for each task: cpu=2,gres/gpu=1' -x
complete -c salloc -l use-min-nodes -d 'Of a range of nodes prefer the smaller count'
complete -c salloc -s v -l verbose -d 'Say more; -vv and -vvv still more'
complete -c salloc -l wait-all-nodes -d 'Start only when all nodes are up (1) or the first one (0)' -x -a '0 1'
complete -c salloc -l wckey -d 'Workload key for the accounts' -x
complete -c salloc -s h -l help -d 'Show this help and exit'
complete -c salloc -l usage -d 'Show the short usage message and exit'
complete -c salloc -s V -l version -d 'Show the release of Slurm and exit'

complete -c sbatch -s A -l account -d 'Charge the job to this account instead of your default one' -x -a '(__slurmpy_ask sbatch account)'
complete -c sbatch -l acctg-freq -d 'How often usage is sampled: task=10, energy=30, network=..., filesystem=...; 0 turns it off' -x
complete -c sbatch -s a -l array -d 'Run one task per index: 0-15, 1,3,5, 0-31:4 (a step of 4), 0-99%5 (at most 5 at a time)' -x
complete -c sbatch -l batch -d 'Features that the node of the batch script must have' -x
complete -c sbatch -l bb -d 'Burst buffer specification' -x
complete -c sbatch -l bbf -d 'File with the burst buffer specification' -r
complete -c sbatch -s b -l begin -d 'Not before this time: now+1hour, 16:00, teatime, 2030-12-31T08:00, 12/31' -x
complete -c sbatch -s D -l chdir -d 'Working directory; the present one unless given' -r -a '(__fish_complete_directories)'
complete -c sbatch -l cluster -d 'Another spelling of --clusters' -x
complete -c sbatch -s M -l clusters -d 'Clusters to submit to, the one that starts the job first wins' -x
complete -c sbatch -l comment -d 'A remark that is kept with the job' -x
complete -c sbatch -s C -l constraint -d 'Features the nodes must have: fast&ib, fast|slow, [rack1|rack2], fast*2&slow*1' -x
complete -c sbatch -l container -d 'OCI bundle to run in' -r -a '(__fish_complete_directories)'
complete -c sbatch -l container-id -d 'OCI name of the container' -x
complete -c sbatch -l context -d 'SELinux context of the job' -x
complete -c sbatch -l contiguous -d 'Nodes must follow one another'
complete -c sbatch -s S -l core-spec -d 'Cores of each node left to the system' -x
complete -c sbatch -l cores-per-socket -d 'Cores per socket the nodes must have' -x
complete -c sbatch -l cpu-freq -d 'CPU frequency in kHz, low, medium, high, highm1, or a governor' -x
complete -c sbatch -l cpus-per-gpu -d 'CPUs for each GPU' -x
complete -c sbatch -s c -l cpus-per-task -d 'CPUs for each task' -x
complete -c sbatch -l deadline -d 'Remove the job when it can no longer end before this time' -x
complete -c sbatch -l delay-boot -d 'Wait so long for nodes with the wanted features before others are rebooted into them' -x
complete -c sbatch -s d -l dependency -d 'Start only when other jobs allow it: after:ID[+minutes], afterany:ID, afterok:ID, afternotok:ID, aftercorr:ID, afterburstbuffer:ID, singleton; joined by commas (all) or question marks (any)' -x
complete -c sbatch -s m -l distribution -d 'How tasks spread over nodes, sockets and cores: block, cyclic, plane=N, arbitrary; block:cyclic:block' -x
complete -c sbatch -s e -l error -d 'Standard error; where standard output goes unless given' -r
complete -c sbatch -s x -l exclude -d 'Nodes that the job must not get' -x -a '(__slurmpy_ask sbatch node)'
complete -c sbatch -l exclusive -d 'Share the nodes with no other job, or only with those of the same user, MCS label, or topology block' -a 'user mcs topo'
complete -c sbatch -l export -d 'Which variables the job gets: ALL, NONE, NIL, or names and NAME=value, separated by commas' -x
complete -c sbatch -l export-file -d 'File or descriptor with NAME=value entries, each ended by a zero byte' -r
complete -c sbatch -l extra -d 'Free text kept with the job for other programs' -x
complete -c sbatch -s B -l extra-node-info -d 'Sockets per node, cores per socket and threads per core the nodes must have' -x
complete -c sbatch -l get-user-env -d 'Give the job the environment of a login of the user'
complete -c sbatch -l gid -d 'Submit with this primary group (root only)' -x
complete -c sbatch -l gpu-bind -d 'Which GPUs a task sees: closest, none, single:N, per_task:N, map_gpu:..., mask_gpu:' -x
complete -c sbatch -l gpu-freq -d 'Frequency of the GPUs: low, medium, high, highm1, MHz; memory=...; verbose' -x
complete -c sbatch -s G -l gpus -d 'GPUs of the whole job' -x
complete -c sbatch -l gpus-per-node -d 'GPUs of each node' -x
complete -c sbatch -l gpus-per-socket -d 'GPUs of each socket' -x
complete -c sbatch -l gpus-per-task -d 'GPUs of each task' -x
complete -c sbatch -l gres -d 'Generic resources of each node: gpu:2, gpu:a100:1, shard:4' -x
complete -c sbatch -l gres-flags -d 'enforce-binding, disable-binding, allow-task-sharing' -x -a 'disable-binding enforce-binding allow-task-sharing'
complete -c sbatch -l hint -d 'What kind of program it is: compute_bound, memory_bound, multithread, nomultithread' -x -a 'compute_bound memory_bound multithread nomultithread help'
complete -c sbatch -s H -l hold -d 'Submit in held state; scontrol release lets it go'
complete -c sbatch -l ignore-pbs -d 'Ignore #PBS and #BSUB lines of the script'
complete -c sbatch -s i -l input -d 'Standard input of the batch script; /dev/null unless given' -r
complete -c sbatch -s J -l job-name -d 'The name under which the job is listed; the script'\''s or command'\''s name unless given' -x
complete -c sbatch -l kill-on-invalid-dep -d 'Whether a job whose dependency can never be fulfilled is cancelled' -x -a 'yes no'
complete -c sbatch -s L -l licenses -d 'Licenses to hold while the job runs' -x
complete -c sbatch -l mail-type -d 'Send mail on these events: BEGIN, END, FAIL, REQUEUE, INVALID_DEPEND, STAGE_OUT, ALL, TIME_LIMIT, TIME_LIMIT_90, TIME_LIMIT_80, TIME_LIMIT_50, ARRAY_TASKS (one mail a task) or NONE' -x -a 'NONE ALL ARRAY_TASKS INVALID_DEPEND BEGIN END FAIL REQUEUE STAGE_OUT TIME_LIMIT_50 TIME_LIMIT_80 TIME_LIMIT_90 TIME_LIMIT'
complete -c sbatch -l mail-user -d 'Who gets the mail; you, unless given' -x
complete -c sbatch -l mcs-label -d 'Multi-category security label' -x
complete -c sbatch -l mem -d 'Memory per node, in MiB unless a unit is given; 0: all of it' -x
complete -c sbatch -l mem-bind -d 'How tasks are bound to memory; --mem-bind=help tells' -x
complete -c sbatch -l mem-per-cpu -d 'Memory for each allocated CPU' -x
complete -c sbatch -l mem-per-gpu -d 'Memory for each GPU' -x
complete -c sbatch -l mincpus -d 'CPUs each node must have at least' -x
complete -c sbatch -l network -d 'Network resources' -x
complete -c sbatch -l nice -d 'Lower the priority by N (100 unless given); only operators may give a negative N'
complete -c sbatch -s k -l no-kill -d 'Let the job live on when one of its nodes fails' -a 'off'
complete -c sbatch -l no-requeue -d 'The job never starts a second time'
complete -c sbatch -s F -l nodefile -d 'File with the names of the nodes that must be among the job'\''s' -r
complete -c sbatch -s w -l nodelist -d 'Nodes that must be among the job'\''s: n[1-3,7], or a file (with a slash in its name)' -x -a '(__slurmpy_ask sbatch node)'
complete -c sbatch -s N -l nodes -d 'Number of nodes: 4, 2-8, or a list of counts that will do: 1,2,4 or 2-16:2' -x
complete -c sbatch -s n -l ntasks -d 'Number of tasks the job will start' -x
complete -c sbatch -l ntasks-per-core -d 'At most so many tasks on a core' -x
complete -c sbatch -l ntasks-per-gpu -d 'So many tasks for each GPU' -x
complete -c sbatch -l ntasks-per-node -d 'Tasks on each node (with --ntasks: at most so many)' -x
complete -c sbatch -l ntasks-per-socket -d 'At most so many tasks on a socket' -x
complete -c sbatch -l ntasks-per-tres -d 'So many tasks for each GPU' -x
complete -c sbatch -l oom-kill-step -d 'Kill the whole step when one of its tasks runs out of memory' -a '0 1'
complete -c sbatch -l open-mode -d 'Append to output files or overwrite them' -x -a 'append truncate'
complete -c sbatch -s o -l output -d 'Standard output; slurm-%j.out (arrays: slurm-%A_%a.out) unless given' -r
complete -c sbatch -s O -l overcommit -d 'One CPU per node will do for all tasks'
complete -c sbatch -s s -l oversubscribe -d 'The job may share its CPUs with others'
complete -c sbatch -l parsable -d 'Print only the job'\''s number (and ;cluster where one was named)'
complete -c sbatch -s p -l partition -d 'Partitions in which the job may run, separated by commas; the first one free takes it' -x -a '(__slurmpy_ask sbatch partition)'
complete -c sbatch -l prefer -d 'Features that would be good to have' -x
complete -c sbatch -l priority -d 'Priority of the job (operators only)' -x
complete -c sbatch -l profile -d 'Detailed measurements to take: all, none, or energy, lustre, network, task' -x -a 'all none energy lustre network task'
complete -c sbatch -l propagate -d 'Resource limits (ulimit) that the job inherits: ALL, NONE, names' -a 'ALL NONE CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS'
complete -c sbatch -s q -l qos -d 'Quality of service of the job' -x -a '(__slurmpy_ask sbatch qos)'
complete -c sbatch -s Q -l quiet -d 'Say only what went wrong'
complete -c sbatch -l reboot -d 'Reboot the nodes before the job starts (operators only)'
complete -c sbatch -l requeue -d 'The job may start again after a node failure or preemption'
complete -c sbatch -l reservation -d 'Run in a reservation (or the first of several that can take the job)' -x -a '(__slurmpy_ask sbatch reservation)'
complete -c sbatch -l resv-ports -d 'Always refused, as no ports are reserved without Slurm'\''s step management'
complete -c sbatch -l segment -d 'Size of the segments of a block topology' -x
complete -c sbatch -l signal -d 'Send a signal so many seconds (60) before the time limit, to the steps or (B:) the batch shell only' -x -a '(__slurmpy_ask sbatch signal)'
complete -c sbatch -l sockets-per-node -d 'Sockets the nodes must have' -x
complete -c sbatch -l spread-job -d 'Spread the job over as many nodes as possible'
complete -c sbatch -l stepmgr -d 'Let the job'\''s first node manage its steps'
complete -c sbatch -l switches -d 'At most so many switches between the nodes, and how long to wait for such nodes' -x
complete -c sbatch -l tasks-per-node -d 'Another spelling of --ntasks-per-node' -x
complete -c sbatch -l test-only -d 'Submit nothing; say when and where the job would start'
complete -c sbatch -l thread-spec -d 'Threads of each node left to the system' -x
complete -c sbatch -l threads-per-core -d 'Threads of each core the job uses' -x
complete -c sbatch -s t -l time -d 'Time limit: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]; 0: none' -x
complete -c sbatch -l time-min -d 'A shorter limit is as good if the job can start sooner, but not below this one' -x
complete -c sbatch -l tmp -d 'Temporary disk space each node must have' -x
complete -c sbatch -l tres-bind -d 'Binding of tasks to resources: gres/gpu:closest' -x
complete -c sbatch -l tres-per-task -d 'Resources for each task: cpu=2,gres/gpu=1' -x
complete -c sbatch -l uid -d 'Submit for this user (root only)' -x -a '(__fish_complete_users)'
complete -c sbatch -l use-min-nodes -d 'Of a range of nodes prefer the smaller count'
complete -c sbatch -s v -l verbose -d 'Say more; -vv and -vvv still more'
complete -c sbatch -s W -l wait -d 'Wait for the job'\''s end and exit with its code'
complete -c sbatch -l wait-all-nodes -d 'Start only when all nodes are up (1) or the first one (0)' -x -a '0 1'
complete -c sbatch -l wckey -d 'Workload key for the accounts' -x
complete -c sbatch -l wrap -d 'Submit this command line, wrapped into a shell script' -x
complete -c sbatch -s h -l help -d 'Show this help and exit'
complete -c sbatch -l usage -d 'Show the short usage message and exit'
complete -c sbatch -s V -l version -d 'Show the release of Slurm and exit'

complete -c scancel -f -a '(__slurmpy_ask scancel job)'
complete -c scancel -s A -l account -d 'Only jobs of this account' -x -a '(__slurmpy_ask scancel account)'
complete -c scancel -s b -l batch -d 'Signal the batch shell only'
complete -c scancel -s M -l cluster -d 'Another spelling of --clusters' -x
complete -c scancel -s M -l clusters -d 'Clusters whose jobs are meant' -x
complete -c scancel -l ctld -d 'Let slurmctld choose the jobs and signal them, in one request'
complete -c scancel -s f -l full -d 'Signal the batch shell and all steps'
complete -c scancel -s H -l hurry -d 'Do not stage burst buffer files out'
complete -c scancel -s i -l interactive -d 'Ask before each job'
complete -c scancel -s n -l jobname -d 'Another spelling of --name' -x
complete -c scancel -l me -d 'Only your own jobs'
complete -c scancel -s n -l name -d 'Only jobs of this name' -x
complete -c scancel -s w -l nodelist -d 'Only jobs on these nodes' -x -a '(__slurmpy_ask scancel node)'
complete -c scancel -s p -l partition -d 'Only jobs of this partition' -x -a '(__slurmpy_ask scancel partition)'
complete -c scancel -s q -l qos -d 'Only jobs of this quality of service' -x -a '(__slurmpy_ask scancel qos)'
complete -c scancel -s Q -l quiet -d 'Say nothing of jobs that are gone already'
complete -c scancel -s R -l reservation -d 'Only jobs of this reservation' -x -a '(__slurmpy_ask scancel reservation)'
complete -c scancel -s s -l signal -d 'Send this signal, by name or number, instead of ending the job' -x -a '(__slurmpy_ask scancel signal)'
complete -c scancel -s t -l state -d 'Only jobs in this state: PENDING, RUNNING or SUSPENDED' -x -a 'PENDING RUNNING SUSPENDED'
complete -c scancel -s u -l user -d 'Only jobs of this user' -x -a '(__fish_complete_users)'
complete -c scancel -s v -l verbose -d 'Say what is done; more so if repeated'
complete -c scancel -l wckey -d 'Only jobs with this workload key' -x
complete -c scancel -l help -d 'Show this help and exit'
complete -c scancel -l usage -d 'Show the short usage message and exit'
complete -c scancel -s V -l version -d 'Show the release of Slurm and exit'

complete -c scontrol -f -a 'all cancel_reboot cluster completing create delete details errnumstr exit quit getaddrs help hide hold holdu uhold listjobs listpids liststeps notify oneliner pidinfo ping quiet reconfigure release requeue requeuehold resume schedloglevel setdebug setdebugflags show shutdown suspend takeover token top update verbose version wait_job write aliases assoc_mgr bbstat burstbuffer config daemons dwstat federation frontend hostlist hostlistsorted hostnames job licenses node partition reservation slurmd step topology'
complete -c scontrol -s a -l all -d 'Show hidden partitions too'
complete -c scontrol -s d -l details -d 'Show more of jobs, nodes and steps; -dd shows the most'
complete -c scontrol -s F -l future -d 'Show nodes in the state FUTURE too'
complete -c scontrol -l hide -d 'Leave hidden partitions and their jobs out, which is the default'
complete -c scontrol -l json -d 'Print JSON; =list names the data parsers'
complete -c scontrol -l local -d 'Only this cluster'\''s jobs, which is the default'
complete -c scontrol -s M -l cluster -d 'The cluster to talk to' -x
complete -c scontrol -l clusters -d '' -x
complete -c scontrol -s o -l oneliner -d 'One line for each record'
complete -c scontrol -s Q -l quiet -d 'Print no messages about what went wrong; the exit code tells'
complete -c scontrol -s u -l uid -d 'Update jobs as this user (root only)' -x -a '(__fish_complete_users)'
complete -c scontrol -s v -l verbose -d 'Given twice: tell which cluster and configuration are used'
complete -c scontrol -l yaml -d 'Print YAML; =list names the data parsers'
complete -c scontrol -s h -l help -d 'Show this help and exit'
complete -c scontrol -l usage -d 'Show the short usage message and exit'
complete -c scontrol -s V -l version -d 'Show the release of Slurm and exit'

complete -c scrontab -s e -l edit -d 'Edit the crontab with $VISUAL or $EDITOR'
complete -c scrontab -s l -l list -d 'Print the crontab'
complete -c scrontab -s r -l remove -d 'Remove the crontab: its jobs are cancelled, those that run do not come back'
complete -c scrontab -s u -l user -d 'That user'\''s crontab' -x -a '(__fish_complete_users)'
complete -c scrontab -s v -l verbose -d 'Say more'
complete -c scrontab -l help -d 'Show this help and exit'
complete -c scrontab -l usage -d 'Show the short usage message and exit'
complete -c scrontab -l version -d 'Show the release of Slurm and exit'

complete -c scrun -f -a 'create start state kill delete version'
complete -c scrun -l root -d 'Where the containers'\'' states and sockets are; /run/user/UID/scrun unless given' -r -a '(__fish_complete_directories)'
complete -c scrun -s f -l conf -d 'The slurm.conf of the cluster to talk to' -r
complete -c scrun -l log -d 'Append messages to this file' -r
complete -c scrun -l log-format -d 'How lines of the file are written: text, or json (one object with level, msg and time)' -x -a 'text json'
complete -c scrun -l debug -d 'Log all that is done'
complete -c scrun -s v -l verbose -d 'Say more; -vv still more'
complete -c scrun -l cgroup-manager -d 'Taken, as in Slurm, and without effect: the node'\''s slurmd makes the control groups' -x
complete -c scrun -l systemd-cgroup -d 'Taken, as in Slurm, and without effect: the node'\''s slurmd makes the control groups'
complete -c scrun -l rootless -d 'Taken, as in Slurm, and without effect: scrun never needs root'
complete -c scrun -s b -l bundle -d 'The bundle, a directory with a config.json; the present directory unless given' -r -a '(__fish_complete_directories)'
complete -c scrun -l console-socket -d 'Unix socket that gets the descriptor of the container'\''s terminal (process.terminal in config.json)' -r
complete -c scrun -l pid-file -d 'Write the number of the process that stands for the container here to this file' -r
complete -c scrun -l no-pivot -d 'Taken, as in Slurm, and without effect: oci.conf of the node says how its runtime is called'
complete -c scrun -l no-new-keyring -d 'Taken, as in Slurm, and without effect: oci.conf of the node says how its runtime is called'
complete -c scrun -l preserve-fds -d 'Only 0 can be had: descriptors do not travel to the node' -x
complete -c scrun -s a -l all -d 'All processes of the container get the signal, which they do anyhow'
complete -c scrun -l force -d 'End the container if it has not ended yet; a container that is not there is no error'
complete -c scrun -l help -d 'Show this help and exit'
complete -c scrun -l usage -d 'Show the short usage message and exit'
complete -c scrun -s V -l version -d 'Show the release of Slurm and exit'

complete -c sdiag -s a -l all -d 'All statistics (the default)'
complete -c sdiag -s M -l cluster -d 'Only this cluster, if it is named among CLUSTERS' -x
complete -c sdiag -l clusters -d 'Same as --cluster' -x
complete -c sdiag -l json -d 'Print JSON, by this version of the data parser'
complete -c sdiag -s r -l reset -d 'Set the counters to zero'
complete -c sdiag -s i -l sort-by-id -d 'Calls in the order of their numbers'
complete -c sdiag -s t -l sort-by-time -d 'The calls that took longest in all first'
complete -c sdiag -s T -l sort-by-time2 -d 'The calls that take longest on average first'
complete -c sdiag -l yaml -d 'Print YAML, by this version of the data parser'
complete -c sdiag -s h -l help -d 'Show this help and exit'
complete -c sdiag -l usage -d 'Show the short usage message and exit'
complete -c sdiag -s V -l version -d 'Show the release of Slurm and exit'

complete -c sinfo -f
complete -c sinfo -s a -l all -d 'Also hidden partitions and those that your group may not use'
complete -c sinfo -s M -l clusters -d 'Only this cluster, if it is named among CLUSTERS' -x
complete -c sinfo -l cluster -d 'Same as --clusters' -x
complete -c sinfo -s d -l dead -d 'Only nodes that do not respond'
complete -c sinfo -s e -l exact -d 'Put nodes together only if all that is shown of them agrees'
complete -c sinfo -l federation -d 'All clusters of the federation, if the cluster is in one'
complete -c sinfo -s F -l future -d 'Also nodes in state FUTURE'
complete -c sinfo -s o -l format -d 'What a line holds: text with %[[.]WIDTH]LETTER fields; a dot justifies to the right' -x
complete -c sinfo -s O -l Format -d 'What a line holds: NAME[:[.][WIDTH][SUFFIX]] of fields, comma-separated (see --helpFormat)' -x
complete -c sinfo -l helpFormat -d 'List the names of fields for --Format'
complete -c sinfo -l helpformat -d 'Same as --helpFormat'
complete -c sinfo -l helpstate -d 'List the node states for --states'
complete -c sinfo -l hide -d 'No hidden partitions (the default)'
complete -c sinfo -s i -l iterate -d 'Print again and again, at this interval' -x
complete -c sinfo -l json -d 'Print JSON, by this version of the data parser'
complete -c sinfo -s R -l list-reasons -d 'Why nodes are down, drained, failing or failed'
complete -c sinfo -l local -d 'Only this cluster, even if it is in a federation'
complete -c sinfo -s l -l long -d 'More columns'
complete -c sinfo -s N -l Node -d 'A line for every node and partition'
complete -c sinfo -l noconvert -d 'Leave sizes in their own unit'
complete -c sinfo -s n -l nodes -d 'Only these nodes' -x -a '(__slurmpy_ask sinfo node)'
complete -c sinfo -s h -l noheader -d 'No header line'
complete -c sinfo -s p -l partition -d 'Only these partitions (comma-separated)' -x -a '(__slurmpy_ask sinfo partition)'
complete -c sinfo -s T -l reservation -d 'The reservations instead of nodes'
complete -c sinfo -s r -l responding -d 'Only nodes that respond'
complete -c sinfo -s S -l sort -d 'Order by these letters of --format, the most important first; '\''-'\'' turns one round, '\''#P'\'' is the order of the configuration' -x
complete -c sinfo -s t -l states -d 'Only nodes in one of these states (comma-separated), or in all of those joined by '\''&'\''' -x -a '(__slurmpy_ask sinfo state)'
complete -c sinfo -s s -l summarize -d 'A line for every partition'
complete -c sinfo -s v -l verbose -d 'Say what was asked for'
complete -c sinfo -l yaml -d 'Print YAML, by this version of the data parser'
complete -c sinfo -l help -d 'Show this help and exit'
complete -c sinfo -l usage -d 'Show the short usage message and exit'
complete -c sinfo -s V -l version -d 'Show the release of Slurm and exit'

complete -c sprio -s M -l cluster -d 'Only this cluster'\''s jobs, if it is named among CLUSTERS' -x
complete -c sprio -l clusters -d 'Same as --cluster' -x
complete -c sprio -l federation -d 'Jobs of all clusters of the federation, if the cluster is in one'
complete -c sprio -s o -l format -d 'What a line holds: text with %[[.]WIDTH]LETTER fields; a dot justifies to the right' -x
complete -c sprio -l helpformat -d 'List the letters for --format'
complete -c sprio -s j -l jobs -d 'Only these jobs (comma-separated)' -a '(__slurmpy_ask sprio job)'
complete -c sprio -l local -d 'Only jobs of this cluster, even if it is in a federation'
complete -c sprio -s l -l long -d 'All columns'
complete -c sprio -s h -l noheader -d 'No header line'
complete -c sprio -s n -l norm -d 'Factors between 0 and 1 instead of parts of the priority'
complete -c sprio -s p -l partition -d 'Only jobs in these partitions' -x -a '(__slurmpy_ask sprio partition)'
complete -c sprio -l sibling -d 'Jobs of a federation once for every cluster'
complete -c sprio -l sib -d 'Same as --sibling'
complete -c sprio -s S -l sort -d 'Order by these letters of --format, the most important first; '\''-'\'' turns one round' -x
complete -c sprio -s u -l user -d 'Only jobs of these users (names or ids)' -x -a '(__fish_complete_users)'
complete -c sprio -l users -d 'Same as --user' -x
complete -c sprio -s v -l verbose -d 'Say what was asked for'
complete -c sprio -s w -l weights -d 'The weights of the factors, as configured'
complete -c sprio -l help -d 'Show this help and exit'
complete -c sprio -l usage -d 'Show the short usage message and exit'
complete -c sprio -s V -l version -d 'Show the release of Slurm and exit'

complete -c squeue -f
complete -c squeue -s A -l accounts -d 'Only jobs of these accounts (comma-separated)' -x -a '(__slurmpy_ask squeue account)'
complete -c squeue -s a -l all -d 'Also jobs in hidden partitions and in those that your group may not use'
complete -c squeue -s r -l array -d 'One line for every task of a job array, also for those that wait'
complete -c squeue -s M -l clusters -d 'Only this cluster'\''s jobs, if it is named among CLUSTERS' -x
complete -c squeue -l cluster -d 'Same as --clusters' -x
complete -c squeue -l expand-patterns -d 'Fill in the %-patterns of the names of standard files'
complete -c squeue -l federation -d 'Jobs of all clusters of the federation, if the cluster is in one'
complete -c squeue -s o -l format -d 'What a line holds: text with %[[.]WIDTH]LETTER fields; a dot justifies to the right' -x
complete -c squeue -s O -l Format -d 'What a line holds: NAME[:[.][WIDTH][SUFFIX]] of fields, comma-separated (see --helpFormat)' -x
complete -c squeue -l helpFormat -d 'List the names of fields for --Format'
complete -c squeue -l helpformat -d 'Same as --helpFormat'
complete -c squeue -l helpstate -d 'List the job states for --states'
complete -c squeue -l hide -d 'No jobs in hidden partitions (the default)'
complete -c squeue -s i -l iterate -d 'Print again and again, at this interval' -x
complete -c squeue -s j -l jobs -d 'Only these jobs or array tasks (12, 12_3; comma-separated)' -a '(__slurmpy_ask squeue job)'
complete -c squeue -l json -d 'Print JSON, by this version of the data parser'
complete -c squeue -s L -l licenses -d 'Only jobs that ask for one of these licenses' -x
complete -c squeue -l local -d 'Only jobs of this cluster, even if it is in a federation'
complete -c squeue -s l -l long -d 'More columns'
complete -c squeue -l me -d 'Only your own jobs'
complete -c squeue -s n -l name -d 'Only jobs of these names' -x
complete -c squeue -l noconvert -d 'Leave sizes in their own unit'
complete -c squeue -s w -l nodelist -d 'Only jobs on these nodes' -x -a '(__slurmpy_ask squeue node)'
complete -c squeue -l node -d 'Same as --nodelist' -x
complete -c squeue -l nodes -d 'Same as --nodelist' -x
complete -c squeue -s h -l noheader -d 'No header line'
complete -c squeue -l notme -d 'Only jobs of others'
complete -c squeue -l only-job-state -d 'Only ids and states, which cost the controller least'
complete -c squeue -s p -l partitions -d 'Only jobs in these partitions' -x -a '(__slurmpy_ask squeue partition)'
complete -c squeue -s P -l priority -d 'A waiting job once for every partition that it may run in'
complete -c squeue -s q -l qos -d 'Only jobs with these qualities of service' -x -a '(__slurmpy_ask squeue qos)'
complete -c squeue -s R -l reservation -d 'Only jobs in this reservation' -x -a '(__slurmpy_ask squeue reservation)'
complete -c squeue -l sibling -d 'Jobs of a federation once for every cluster'
complete -c squeue -l sib -d 'Same as --sibling'
complete -c squeue -s S -l sort -d 'Order by these letters of --format, the most important first; '\''-'\'' turns one round' -x
complete -c squeue -l start -d 'When waiting jobs are expected to start, and where'
complete -c squeue -s t -l states -d 'Only jobs in these states (or all)' -x -a '(__slurmpy_ask squeue state)'
complete -c squeue -s s -l steps -d 'Steps instead of jobs: all, or those named (12.0; comma-separated)'
complete -c squeue -s u -l users -d 'Only jobs of these users (names or ids)' -x -a '(__fish_complete_users)'
complete -c squeue -l user -d 'Same as --users' -x
complete -c squeue -s v -l verbose -d 'Say what was asked for'
complete -c squeue -l yaml -d 'Print YAML, by this version of the data parser'
complete -c squeue -l help -d 'Show this help and exit'
complete -c squeue -l usage -d 'Show the short usage message and exit'
complete -c squeue -s V -l version -d 'Show the release of Slurm and exit'

complete -c sreport -s a -l all_clusters -d 'All clusters of the database instead of this one'
complete -c sreport -s M -l cluster -d 'These clusters (comma-separated)' -x
complete -c sreport -l federation -d 'The clusters of the federation, if the cluster is in one'
complete -c sreport -l local -d 'This cluster only, even if it is in a federation'
complete -c sreport -s n -l noheader -d 'No headers'
complete -c sreport -s p -l parsable -d 'Fields between bars, one at the end of the line too'
complete -c sreport -s P -l parsable2 -d 'Fields between bars, none at the end of the line'
complete -c sreport -s Q -l quiet -d 'Nothing but reports and errors; there is nothing else without -v either'
complete -c sreport -s t -l time -d 'Unit of usage: Seconds, Minutes, Hours, Percent, SecPer, MinPer, HourPer (minutes)' -x -a 'Seconds Minutes Hours Percent SecPer MinPer HourPer'
complete -c sreport -s T -l tres -d 'These TRES instead of CPUs, or ALL' -x
complete -c sreport -s v -l verbose -d 'Tell on standard error what slurmdbd is asked, and how long it took'
complete -c sreport -l html -d 'Write the report as a page with charts and the table, which needs nothing from the network' -r
complete -c sreport -l plot -d 'Draw the report in the terminal instead of printing the table'
complete -c sreport -s h -l help -d 'Show this help and exit'
complete -c sreport -l usage -d 'Show the short usage message and exit'
complete -c sreport -s V -l version -d 'Show the release of Slurm and exit'

complete -c srun -x -a '(__fish_complete_subcommand)'
complete -c srun -s A -l account -d 'Charge the job to this account instead of your default one' -x -a '(__slurmpy_ask srun account)'
complete -c srun -l acctg-freq -d 'How often usage is sampled: task=10, energy=30, network=..., filesystem=...; 0 turns it off' -x
complete -c srun -l bb -d 'Burst buffer specification' -x
complete -c srun -l bbf -d 'File with the burst buffer specification' -r
complete -c srun -s b -l begin -d 'Not before this time: now+1hour, 16:00, teatime, 2030-12-31T08:00, 12/31' -x
complete -c srun -s D -l chdir -d 'Working directory; the present one unless given' -r -a '(__fish_complete_directories)'
complete -c srun -l cluster -d 'Another spelling of --clusters' -x
complete -c srun -s M -l clusters -d 'Clusters to submit to, the one that starts the job first wins' -x
complete -c srun -l comment -d 'A remark that is kept with the job' -x
complete -c srun -s C -l constraint -d 'Features the nodes must have: fast&ib, fast|slow, [rack1|rack2], fast*2&slow*1' -x
complete -c srun -l container -d 'OCI bundle to run in' -r -a '(__fish_complete_directories)'
complete -c srun -l container-id -d 'OCI name of the container' -x
complete -c srun -l context -d 'SELinux context of the job' -x
complete -c srun -l contiguous -d 'Nodes must follow one another'
complete -c srun -s S -l core-spec -d 'Cores of each node left to the system' -x
complete -c srun -l cores-per-socket -d 'Cores per socket the nodes must have' -x
complete -c srun -l cpu-bind -d 'How tasks are bound to CPUs: none, rank, map_cpu:..., mask_cpu:..., sockets, cores, threads; verbose' -x
complete -c srun -l cpu-freq -d 'CPU frequency in kHz, low, medium, high, highm1, or a governor' -x
complete -c srun -l cpu_bind -d 'Another spelling of --cpu-bind' -x
complete -c srun -l cpus-per-gpu -d 'CPUs for each GPU' -x
complete -c srun -s c -l cpus-per-task -d 'CPUs for each task' -x
complete -c srun -l deadline -d 'Remove the job when it can no longer end before this time' -x
complete -c srun -l delay-boot -d 'Wait so long for nodes with the wanted features before others are rebooted into them' -x
complete -c srun -s d -l dependency -d 'Start only when other jobs allow it: after:ID[+minutes], afterany:ID, afterok:ID, afternotok:ID, aftercorr:ID, afterburstbuffer:ID, singleton; joined by commas (all) or question marks (any)' -x
complete -c srun -s X -l disable-status -d 'Pass every Ctrl-C to the tasks instead of showing their state first'
complete -c srun -s m -l distribution -d 'How tasks spread over nodes, sockets and cores: block, cyclic, plane=N, arbitrary; block:cyclic:block' -x
complete -c srun -l epilog -d 'Run by srun after the step has ended' -r
complete -c srun -s e -l error -d 'Standard error; where standard output goes unless given' -r
complete -c srun -l exact -d 'The step gets only the CPUs it asks for'
complete -c srun -s x -l exclude -d 'Nodes that the job must not get' -x -a '(__slurmpy_ask srun node)'
complete -c srun -l exclusive -d 'Share the nodes with no other job, or only with those of the same user, MCS label, or topology block' -a 'user mcs topo'
complete -c srun -l export -d 'Which variables the job gets: ALL, NONE, NIL, or names and NAME=value, separated by commas' -x
complete -c srun -l extra -d 'Free text kept with the job for other programs' -x
complete -c srun -s B -l extra-node-info -d 'Sockets per node, cores per socket and threads per core the nodes must have' -x
complete -c srun -l gpu-bind -d 'Which GPUs a task sees: closest, none, single:N, per_task:N, map_gpu:..., mask_gpu:' -x
complete -c srun -l gpu-freq -d 'Frequency of the GPUs: low, medium, high, highm1, MHz; memory=...; verbose' -x
complete -c srun -s G -l gpus -d 'GPUs of the whole job' -x
complete -c srun -l gpus-per-node -d 'GPUs of each node' -x
complete -c srun -l gpus-per-socket -d 'GPUs of each socket' -x
complete -c srun -l gpus-per-task -d 'GPUs of each task' -x
complete -c srun -l gres -d 'Generic resources of each node: gpu:2, gpu:a100:1, shard:4' -x
complete -c srun -l gres-flags -d 'enforce-binding, disable-binding, allow-task-sharing' -x -a 'disable-binding enforce-binding allow-task-sharing'
complete -c srun -l het-group -d 'Components of a heterogeneous job to start the step in' -x
complete -c srun -l hint -d 'What kind of program it is: compute_bound, memory_bound, multithread, nomultithread' -x -a 'compute_bound memory_bound multithread nomultithread help'
complete -c srun -s H -l hold -d 'Submit in held state; scontrol release lets it go'
complete -c srun -s I -l immediate -d 'Give up if the resources are not free within so many seconds (1)'
complete -c srun -s i -l input -d 'Standard input of the batch script; /dev/null unless given' -r
complete -c srun -l interactive -d 'The step is the interactive step of salloc'
complete -c srun -s J -l job-name -d 'The name under which the job is listed; the script'\''s or command'\''s name unless given' -x
complete -c srun -l jobid -d 'Start a step in this job instead of a new one' -x -a '(__slurmpy_ask srun job)'
complete -c srun -s K -l kill-on-bad-exit -d 'End the step when a task exits with a code other than 0' -a '0 1'
complete -c srun -s l -l label -d 'Begin each line with the number of its task'
complete -c srun -s L -l licenses -d 'Licenses to hold while the job runs' -x
complete -c srun -l mail-type -d 'Send mail on these events: BEGIN, END, FAIL, REQUEUE, INVALID_DEPEND, STAGE_OUT, ALL, TIME_LIMIT, TIME_LIMIT_90, TIME_LIMIT_80, TIME_LIMIT_50, ARRAY_TASKS (one mail a task) or NONE' -x -a 'NONE ALL ARRAY_TASKS INVALID_DEPEND BEGIN END FAIL REQUEUE STAGE_OUT TIME_LIMIT_50 TIME_LIMIT_80 TIME_LIMIT_90 TIME_LIMIT'
complete -c srun -l mail-user -d 'Who gets the mail; you, unless given' -x
complete -c srun -l mcs-label -d 'Multi-category security label' -x
complete -c srun -l mem -d 'Memory per node, in MiB unless a unit is given; 0: all of it' -x
complete -c srun -l mem-bind -d 'How tasks are bound to memory; --mem-bind=help tells' -x
complete -c srun -l mem-per-cpu -d 'Memory for each allocated CPU' -x
complete -c srun -l mem-per-gpu -d 'Memory for each GPU' -x
complete -c srun -l mincpus -d 'CPUs each node must have at least' -x
complete -c srun -l mpi -d 'MPI start-up: none, or list to see the types' -x -a 'none list'
complete -c srun -l msg-timeout -d 'Seconds to wait for an answer of the nodes' -x
complete -c srun -l multi-prog -d 'The command is a file that names a program per task'
complete -c srun -l network -d 'Network resources' -x
complete -c srun -l nice -d 'Lower the priority by N (100 unless given); only operators may give a negative N'
complete -c srun -s k -l no-kill -d 'Let the job live on when one of its nodes fails' -a 'off'
complete -c srun -s F -l nodefile -d 'File with the names of the nodes that must be among the job'\''s' -r
complete -c srun -s w -l nodelist -d 'Nodes that must be among the job'\''s: n[1-3,7], or a file (with a slash in its name)' -x -a '(__slurmpy_ask srun node)'
complete -c srun -s N -l nodes -d 'Number of nodes: 4, 2-8, or a list of counts that will do: 1,2,4 or 2-16:2' -x
complete -c srun -s n -l ntasks -d 'Number of tasks the job will start' -x
complete -c srun -l ntasks-per-core -d 'At most so many tasks on a core' -x
complete -c srun -l ntasks-per-gpu -d 'So many tasks for each GPU' -x
complete -c srun -l ntasks-per-node -d 'Tasks on each node (with --ntasks: at most so many)' -x
complete -c srun -l ntasks-per-socket -d 'At most so many tasks on a socket' -x
complete -c srun -l ntasks-per-tres -d 'So many tasks for each GPU' -x
complete -c srun -l oom-kill-step -d 'Kill the whole step when one of its tasks runs out of memory' -a '0 1'
complete -c srun -l open-mode -d 'Append to output files or overwrite them' -x -a 'append truncate'
complete -c srun -s o -l output -d 'Standard output; slurm-%j.out (arrays: slurm-%A_%a.out) unless given' -r
complete -c srun -s O -l overcommit -d 'One CPU per node will do for all tasks'
complete -c srun -l overlap -d 'The step shares its resources with the job'\''s other steps'
complete -c srun -s s -l oversubscribe -d 'The job may share its CPUs with others'
complete -c srun -l pack-group -d 'Another spelling of --het-group' -x
complete -c srun -s p -l partition -d 'Partitions in which the job may run, separated by commas; the first one free takes it' -x -a '(__slurmpy_ask srun partition)'
complete -c srun -l prefer -d 'Features that would be good to have' -x
complete -c srun -s E -l preserve-env -d 'Keep SLURM_NNODES and SLURM_NTASKS as they are'
complete -c srun -l priority -d 'Priority of the job (operators only)' -x
complete -c srun -l profile -d 'Detailed measurements to take: all, none, or energy, lustre, network, task' -x -a 'all none energy lustre network task'
complete -c srun -l prolog -d 'Run by srun before the step starts' -r
complete -c srun -l propagate -d 'Resource limits (ulimit) that the job inherits: ALL, NONE, names' -a 'ALL NONE CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS'
complete -c srun -l pty -d 'Give task 0 a terminal'
complete -c srun -s q -l qos -d 'Quality of service of the job' -x -a '(__slurmpy_ask srun qos)'
complete -c srun -s Q -l quiet -d 'Say only what went wrong'
complete -c srun -l quit-on-interrupt -d 'Quit at the first Ctrl-C'
complete -c srun -l reboot -d 'Reboot the nodes before the job starts (operators only)'
complete -c srun -s r -l relative -d 'Start at the Nth node of the job' -x
complete -c srun -l reservation -d 'Run in a reservation (or the first of several that can take the job)' -x -a '(__slurmpy_ask srun reservation)'
complete -c srun -l segment -d 'Size of the segments of a block topology' -x
complete -c srun -l signal -d 'Send a signal so many seconds (60) before the time limit, to the steps or (B:) the batch shell only' -x -a '(__slurmpy_ask srun signal)'
complete -c srun -l slurmd-debug -d 'How much the step'\''s daemon logs (root only)' -x -a 'quiet fatal error info verbose debug debug2 debug3 debug4 debug5'
complete -c srun -l sockets-per-node -d 'Sockets the nodes must have' -x
complete -c srun -l spread-job -d 'Spread the job over as many nodes as possible'
complete -c srun -l stepmgr -d 'Let the job'\''s first node manage its steps'
complete -c srun -l switches -d 'At most so many switches between the nodes, and how long to wait for such nodes' -x
complete -c srun -l task-epilog -d 'Run by each task'\''s node after the task' -r
complete -c srun -l task-prolog -d 'Run by each task'\''s node before the task' -r
complete -c srun -l tasks-per-node -d 'Another spelling of --ntasks-per-node' -x
complete -c srun -l test-only -d 'Submit nothing; say when and where the job would start'
complete -c srun -l thread-spec -d 'Threads of each node left to the system' -x
complete -c srun -l threads-per-core -d 'Threads of each core the job uses' -x
complete -c srun -s t -l time -d 'Time limit: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]; 0: none' -x
complete -c srun -l time-min -d 'A shorter limit is as good if the job can start sooner, but not below this one' -x
complete -c srun -l tmp -d 'Temporary disk space each node must have' -x
complete -c srun -l tres-bind -d 'Binding of tasks to resources: gres/gpu:closest' -x
complete -c srun -l tres-per-task -d 'Resources for each task: cpu=2,gres/gpu=1' -x
complete -c srun -s u -l unbuffered -d 'Pass output on at once, not by lines'
complete -c srun -l use-min-nodes -d 'Of a range of nodes prefer the smaller count'
complete -c srun -s v -l verbose -d 'Say more; -vv and -vvv still more'
complete -c srun -s W -l wait -d 'Seconds to wait for the other tasks after the first one has ended before they are killed' -x
complete -c srun -l wckey -d 'Workload key for the accounts' -x
complete -c srun -l whole -d 'The step gets all of the job'\''s resources'
complete -c srun -s h -l help -d 'Show this help and exit'
complete -c srun -l usage -d 'Show the short usage message and exit'
complete -c srun -s V -l version -d 'Show the release of Slurm and exit'

complete -c sshare -s A -l accounts -d 'Only these accounts (comma-separated)' -x -a '(__slurmpy_ask sshare account)'
complete -c sshare -s a -l all -d 'The associations of all users'
complete -c sshare -s M -l cluster -d 'Only this cluster, if it is named among CLUSTERS' -x
complete -c sshare -l clusters -d 'Same as --cluster' -x
complete -c sshare -s o -l format -d 'The fields to print, comma-separated, each with %[-]WIDTH if you like (see --helpformat)' -x
complete -c sshare -s e -l helpformat -d 'List the fields for --format'
complete -c sshare -l json -d 'Print JSON, by this version of the data parser'
complete -c sshare -s l -l long -d 'Also normalised usage and the rank among siblings'
complete -c sshare -s n -l noheader -d 'No header'
complete -c sshare -s p -l parsable -d 'Bars between the fields and behind the last'
complete -c sshare -s P -l parsable2 -d 'Bars between the fields'
complete -c sshare -s m -l partition -d 'The partition of an association, if it has one'
complete -c sshare -s U -l Users -d 'Only associations of users, not the accounts'\'' own'
complete -c sshare -s u -l users -d 'The associations of these users (comma-separated)' -x -a '(__fish_complete_users)'
complete -c sshare -s v -l verbose -d 'Say what was asked for'
complete -c sshare -l yaml -d 'Print YAML, by this version of the data parser'
complete -c sshare -l help -d 'Show this help and exit'
complete -c sshare -l usage -d 'Show the short usage message and exit'
complete -c sshare -s V -l version -d 'Show the release of Slurm and exit'

complete -c sstat -s a -l allsteps -d 'All steps of a job that is given without a step'
complete -c sstat -s o -l format -d 'The fields to print, comma-separated, each with %[-]WIDTH if you like (see --helpformat)' -x
complete -c sstat -l fields -d 'Same as --format' -x
complete -c sstat -s e -l helpformat -d 'List the fields for --format'
complete -c sstat -s j -l jobs -d 'The jobs or steps (12, 12.0, 12.batch; comma-separated)' -x -a '(__slurmpy_ask sstat job)'
complete -c sstat -l noconvert -d 'Leave sizes in their own unit'
complete -c sstat -s n -l noheader -d 'No header'
complete -c sstat -s p -l parsable -d 'Bars between the fields and behind the last'
complete -c sstat -s P -l parsable2 -d 'Bars between the fields'
complete -c sstat -s i -l pidformat -d 'The processes of each step'
complete -c sstat -s v -l verbose -d 'Say more'
complete -c sstat -s h -l help -d 'Show this help and exit'
complete -c sstat -l usage -d 'Show the short usage message and exit'
complete -c sstat -s V -l version -d 'Show the release of Slurm and exit'
