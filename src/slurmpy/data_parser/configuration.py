"""The configuration of slurmctld and slurmdbd as documents (``slurm_conf``, ``slurmdbd_conf``), from v0.0.45 on.

The records are dictionaries by the properties' names. `slurm_conf` and `slurmdbd_conf` make them of what the daemons
tell of themselves, which is the text that ``scontrol show config`` and ``sacctmgr show config`` print.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from slurmpy.core import times
from slurmpy.core.records.base import INFINITE

from .envelopes import envelope, listing
from .kinds import BOOLEAN, CSV, INT32, INT64, STRING_ARRAY, UINT16, UINT32, UINT64
from .lists import Flags, ListOf
from .tables import Field as F
from .tables import Table
from .types import STRING, Boolean, Integer, OptionalNumber, Type


def _flags(names: str) -> Flags:
    return Flags("", tuple(names.split()))


def _all(type: Type, names: str) -> tuple[F, ...]:
    return tuple(F(name, type) for name in names.split())


CONTROLLERS = ListOf(Table("controller", dict, (F("address", STRING), F("machine", STRING))), "controllers_array")
JOB_DEFAULTS = ListOf(
    Table("job_defaults", dict, (F("type", _flags("DefCpuPerGPU DefMemPerGPU")), F("value", INT64))),
    "job_defaults_list",
)
PORT_RANGE = Table("port_range", dict, (F("minimum", INT32), F("maximum", INT32), F("set", BOOLEAN)))

#: the ways to choose resources, as SelectTypeParameters has them and as jobs and partitions tell them
SELECT_TYPES = (
    "NONE", "CR_CPU_MEMORY", "CR_CPU", "CR_CORE_MEMORY", "CR_CORE", "CR_SOCKET_MEMORY", "CR_SOCKET", "CR_MEMORY",
    "CR_ONE_TASK_PER_CORE", "CR_CORE_DEFAULT_DIST_BLOCK", "CR_NO_DIST_TOPO_BLOCK", "CR_LLN", "CR_PACK_NODES",
    "LL_SHARED_GRES", "MULTIPLE_SHARING_GRES_PJ", "ENFORCE_BINDING_GRES", "ONE_TASK_PER_SHARING_GRES",
)  # fmt: skip

_FIELDS = (
    F("AccountingStorageTRES", CSV),
    F("AccountingStorageBackupHost", STRING),
    F("AccountingStorageEnforce", _flags("associations limits wckeys qos safe nojobs nosteps")),
    *_all(STRING, "AccountingStorageExternalHost AccountingStorageHost"),
    F("AccountingStorageParameters", CSV),
    F("AccountingStoragePort", INT32),
    F("AccountingStorageType", STRING),
    F("AcctGatherEnergyType", CSV),
    *_all(STRING, "AcctGatherProfileType AcctGatherInterconnectType AcctGatherFilesystemType"),
    F("AcctGatherNodeFreq", INT32),
    F("ConfFlags", _flags("DisableRootJobs AllowSpecResourcesUsage UsePam TrackWCKey")),
    F("AuthAltTypes", CSV),
    *_all(STRING, "AuthInfo AuthAltParameters AuthType"),
    F("BatchStartTimeout", INT32),
    F("BurstBufferType", STRING),
    *_all(CSV, "BcastExclude BcastParameters CertgenParameters"),
    *_all(STRING, "CertgenType CertmgrParameters CertmgrType"),
    *_all(CSV, "CliFilterParameters CliFilterPlugins"),
    F("ClusterName", STRING),
    F("CommunicationParameters", CSV),
    F("CompleteWait", INT32),
    F("CommunicationParametersFlags", _flags("IPv4 IPv6 disable_http")),
    F("AccountingStoreFlags", _flags("job_comment job_extra job_script job_env no_stdio")),
    F(
        "SlurmdParametersFlags",
        _flags("config_overrides l3cache_as_socket numa_node_as_socket allow_ecores shutdown_on_reboot contain_spank"),
    ),
    F("controllers", CONTROLLERS),
    F("CpuFreqDef", STRING),
    F(
        "CpuFreqGovernors",
        _flags("Unset Conservative OnDemand Performance PowerSave SchedUtil UserSpace Low Medium Highm1 High"),
    ),
    *_all(STRING, "CredType DataParserParameters"),
    F(
        "DebugFlags",
        _flags(
            "Accrue Agent AuditRPCs AuditTLS Backfill BackfillMap BurstBuffer Cgroup ConMgr CpuFrequency CPU_Bind "
            "Data DBD_Agent DB_Archive DB_Assoc DB_Event DB_Job DB_QOS DB_Query DB_Reservation DB_Resource "
            "DB_Step DB_TRES DB_Usage DB_WCKey Dependency Energy Federation Gang GLOB_SILENCE Gres Hetjob "
            "Interconnect JobAccountGather JobComp Namespace NodeFeatures License Metrics MPI Network NetworkRaw "
            "NO_CONF_HASH Power Priority Profile Protocol Reservation Route Sack Script SelectType Steps Switch "
            "thread TLS TraceJobs Triggers"
        ),
    ),
    F("DefMemPerCPU", UINT64),
    F("DependencyParameters", CSV),
    F("EioTimeout", INT32),
    F("EnforcePartLimits", _flags("NO ANY ALL")),
    F("Epilog", STRING_ARRAY),
    F("EpilogMsgTime", INT32),
    F("EpilogSlurmctld", STRING_ARRAY),
    F("EpilogTimeout", UINT16),
    F("FederationParameters", CSV),
    *_all(INT32, "FirstJobId FairShareDampeningFactor GetNameInfoCacheTimeout"),
    F("GresTypes", CSV),
    F("GroupUpdateTime", INT32),
    F("GroupUpdateForce", BOOLEAN),
    *_all(STRING, "GpuFreqDef HashPlugin"),
    F("HealthCheckInterval", INT32),
    F("HealthCheckNodeState", _flags("START_ONLY REBOOT_ONLY ANY IDLE ALLOC MIXED NONDRAINED_IDLE CYCLE")),
    F("HealthCheckProgram", STRING),
    F("HealthCheckTimeout", INT32),
    F("HttpParserType", STRING),
    *_all(INT32, "HostUnreachRetryCount InactiveLimit"),
    F("InteractiveStepOptions", STRING),
    F("JobAcctGatherFrequency", CSV),
    F("JobAcctGatherType", STRING),
    F("JobAcctGatherParams", CSV),
    F("JobAcctOomKill", BOOLEAN),
    *_all(STRING, "JobCompHost JobCompLoc JobCompParams"),
    F("JobCompPort", INT32),
    *_all(STRING, "JobCompType JobCompUser"),
    F("JobDefaults", JOB_DEFAULTS),
    *_all(BOOLEAN, "JobFileAppend JobRequeue"),
    F("JobSubmitPlugins", CSV),
    *_all(INT32, "KeepaliveInterval KeepaliveProbes KeepaliveTime"),
    F("KillOnBadExit", BOOLEAN),
    F("KillWait", INT32),
    *_all(CSV, "LaunchParameters Licenses LicenseParameters"),
    *_all(STRING, "LogTimeFormat MailDomain MailProg"),
    *_all(INT32, "MaxArraySize MaxBatchRequeue MaxDBDMsgs MaxJobCount MaxJobId"),
    F("MaxMemPerCPU", UINT64),
    *_all(INT32, "MaxNodeCount MaxStepCount MaxTasksPerNode"),
    F("MCSPlugin", STRING),
    *_all(CSV, "MCSParameters MetricsAuthUsers MetricsParameters"),
    F("MetricsType", STRING),
    F("MinJobAge", INT32),
    F("MpiDefault", STRING),
    F("MpiParams", CSV),
    F("MessageTimeout", INT32),
    F("NamespaceType", STRING),
    F("NodeFeaturesPlugins", CSV),
    F("OverTimeLimit", INT32),
    *_all(STRING, "PluginDir PlugStackConfig"),
    F("PreemptExemptTime", UINT32),
    F("PreemptMode", _flags("DISABLED SUSPEND REQUEUE CANCEL GANG WITHIN PRIORITY")),
    F("PreemptParameters", CSV),
    *_all(STRING, "PreemptType PrEpParameters"),
    F("PrEpPlugins", CSV),
    *_all(STRING, "PriorityDecayHalfLife PriorityCalcPeriod"),
    F("PriorityFavorSmall", BOOLEAN),
    F(
        "PriorityFlags",
        _flags(
            "ACCRUE_ALWAYS SMALL_RELATIVE_TO_TIME CALCULATE_RUNNING DEPTH_OBLIVIOUS FAIR_TREE INCR_ONLY MAX_TRES "
            "MAX_TRES_GRES NO_NORMAL_ASSOC NO_NORMAL_PART NO_NORMAL_QOS NO_NORMAL_TRES"
        ),
    ),
    *_all(STRING, "PriorityMaxAge PriorityParameters PriorityUsageResetPeriod PriorityType"),
    *_all(
        INT32,
        "PriorityWeightAge PriorityWeightAssoc PriorityWeightFairshare PriorityWeightJobSize "
        "PriorityWeightPartition PriorityWeightQOS",
    ),
    F("PriorityWeightTRES", STRING),
    F("PrivateData", _flags("accounts events jobs nodes partitions reservations usage users")),
    F("ProctrackType", STRING),
    *_all(STRING_ARRAY, "Prolog PrologSlurmctld"),
    F("PrologTimeout", UINT16),
    F("PropagatePrioProcess", STRING),
    F("PrologFlags", _flags("Alloc NoHold Contain Serial X11 DeferBatch ForceRequeueOnFail RunInJob")),
    *_all(CSV, "PropagateResourceLimits PropagateResourceLimitsExcept"),
    F("RebootProgram", STRING),
    F("ReconfigFlags", _flags("KeepPartInfo KeepPartState KeepPowerSaveSettings")),
    *_all(CSV, "RequeueExit RequeueExitHold"),
    *_all(STRING, "ResumeFailProgram ResumeProgram"),
    *_all(INT32, "ResumeRate ResumeTimeout"),
    F("ResvEpilog", STRING),
    F("ResvOverRun", INT32),
    *_all(STRING, "ResvProlog ReturnToService SlurmSchedLogFile"),
    F("SlurmSchedLogLevel", INT32),
    F("SchedulerParameters", CSV),
    F("SchedulerTimeSlice", INT32),
    F("SchedulerType", STRING),
    F("ScronParameters", CSV),
    F("SelectType", STRING),
    F("SelectTypeParameters", Flags("", SELECT_TYPES)),
    *_all(STRING, "PrioritySiteFactorPlugin PrioritySiteFactorParameters"),
    F("SlurmUserId", INT32),
    F("SlurmUser", STRING),
    F("SlurmdUserId", INT32),
    *_all(STRING, "SlurmdUser SlurmctldAddr SlurmctldDebug"),
    F("SlurmctldHttpAuthParams", CSV),
    *_all(STRING, "SlurmctldLogFile SlurmctldPidFile"),
    *_all(INT32, "SlurmctldPort SlurmctldPortCount"),
    *_all(STRING, "SlurmctldPrimaryOffProg SlurmctldPrimaryOnProg SlurmctldSyslogDebug"),
    F("SlurmctldTimeout", INT32),
    F("SlurmctldParameters", CSV),
    F("SlurmdDebug", STRING),
    F("SlurmdHttpAuthParams", CSV),
    F("SlurmdLogFile", STRING),
    F("SlurmdParameters", CSV),
    F("SlurmdPidFile", STRING),
    F("SlurmdPort", INT32),
    *_all(STRING, "SlurmdSpoolDir SlurmdSyslogDebug"),
    F("SlurmdTimeout", INT32),
    F("SrunEpilog", STRING),
    F("SrunPortRange", PORT_RANGE),
    *_all(STRING, "SrunProlog StateSaveLocation"),
    *_all(CSV, "SuspendExcNodes SuspendExcParts SuspendExcStates"),
    F("SuspendProgram", STRING),
    F("SuspendRate", INT32),
    F("SuspendTime", UINT32),
    F("SuspendTimeout", INT32),
    F("SwitchType", STRING),
    F("SwitchParameters", CSV),
    F("TaskEpilog", STRING),
    F("TaskPlugin", CSV),
    F(
        "TaskPluginParam",
        _flags(
            "None Threads Cores Sockets autobind=threads autobind=cores autobind=sockets Verbose SlurmdOffSpec "
            "OOMKillStep SlurmdSpecOverride"
        ),
    ),
    F("TaskProlog", STRING),
    F("TLSParameters", CSV),
    F("TLSType", STRING),
    F("TCPTimeout", INT32),
    F("TmpFS", STRING),
    F("TopologyParam", CSV),
    F("TopologyPlugin", STRING),
    F("TreeWidth", INT32),
    F("UnkillableStepProgram", STRING),
    F("UnkillableStepTimeout", INT32),
    F("UrlParserType", STRING),
    *_all(INT32, "VSizeFactor WaitTime"),
    F("X11Parameters", CSV),
)
SLURM_CONF = Table("slurm_conf", dict, _FIELDS)
SLURM_CONF_META = Table(
    "slurm_conf_meta",
    dict,
    (
        *_all(INT64, "LastUpdate BOOT_TIME"),
        F("ClusterId", UINT16),
        F("HashValue", INT32),
        F("NEXT_JOB_ID", UINT32),
        *_all(STRING, "SLURM_CONF SLURM_VERSION"),
    ),
)
CONF_RESP = envelope("openapi_conf_resp", F("slurm_conf", SLURM_CONF), F("slurm_conf_meta", SLURM_CONF_META))

PURGE_UNITS = Table(
    "slurmdb_purge_units",
    dict,
    (F("set", BOOLEAN), *_all(INT32, "hours days months"), F("archive", BOOLEAN)),
)
SLURMDBD_CONF = Table(
    "slurmdbd_conf",
    dict,
    (
        *_all(STRING, "ArchiveDir ArchiveScript"),
        F("CommitDelay", INT32),
        *_all(STRING, "DbdAddr DbdBackupHost DbdHost"),
        F("DbdPort", INT32),
        *_all(STRING, "DebugLevel DefaultQOS"),
        F("Flags", _flags("AllowNoDefAcct AllResourcesAbsolute DisableCoordDBD DisableArchiveCommands")),
        F("LogFile", STRING),
        F("MaxPurgeLimit", INT32),
        F("MaxQueryTimeRange", STRING),
        F("Parameters", CSV),
        F("PersistConnFlags", _flags("PreserveCaseUser")),
        F("PidFile", STRING),
        *_all(
            PURGE_UNITS,
            "PurgeEventAfter PurgeJobAfter PurgeResvAfter PurgeStepAfter PurgeSuspendAfter PurgeTXNAfter "
            "PurgeUsageAfter PurgeJobScriptAfter PurgeJobEnvAfter",
        ),
        *_all(STRING, "StorageLoc StoragePassScript StorageUser DebugLevelSyslog"),
        *_all(BOOLEAN, "TrackWCKey TrackSlurmctldDown"),
    ),
)
SLURMDBD_CONF_RESP = listing("openapi_slurmdbd_conf_resp", "slurmdbd_conf", SLURMDBD_CONF)

_NOTHING = ("", "(null)", "N/A", "(null type)", "NONE", "none")
_NUMBER = re.compile(r"-?\d+")


def _value(type: Type, text: str) -> Any:
    """A parameter's text as the value of a property; None for what is not set."""
    if type is STRING:
        return None if text in _NOTHING[:4] else text
    if isinstance(type, Boolean):
        return text.lower() in ("1", "yes", "true")
    if text in _NOTHING:
        return None if isinstance(type, (Integer, OptionalNumber)) else ()
    if isinstance(type, Flags):
        known = {choice.casefold(): choice for choice in type.choices}
        words = [part.split("=")[0] if part.casefold() not in known else part for part in text.split(",")]
        found = {known.get(word.casefold()) for word in words}
        return tuple(choice for choice in type.choices if choice in found)
    if isinstance(type, (Integer, OptionalNumber)):
        if text in ("INFINITE", "UNLIMITED"):
            return INFINITE if isinstance(type, OptionalNumber) else None
        if ":" in text:
            return times.parse_duration(text)
        match = _NUMBER.search(text)
        return int(match[0]) if match else None
    return tuple(part for part in text.split(",") if part)


def _words(text: str) -> dict[str, str]:
    """Of a parameter like CommunicationParameters: word in small letters -> its value, "" for none."""
    return {word.lower(): value for word, _, value in (part.partition("=") for part in text.split(","))}


def _listed(rows: dict[str, str], name: str) -> tuple[str, ...]:
    """The values of a parameter that may be given several times: rows NAME[0], NAME[1], ... or NAME alone."""
    found = [text for key, text in rows.items() if key == name or key.startswith(name + "[")]
    return tuple(text for text in found if text not in _NOTHING)


def _user(text: str) -> tuple[str, int]:
    """ "root(0)" -> its parts."""
    name, _, number = text.rstrip(")").partition("(")
    return name, int(number) if number.isdecimal() else 0


#: what Slurm calls by a number in slurm.conf and by a word here
_WORDS = {
    "ReturnToService": {"2": "all"},
    "PropagatePrioProcess": {"0": "off"},
    "PreemptMode": {"OFF": "DISABLED"},
}
#: a property -> the parameter that says it, where its name is another here
_NAMES = {
    "PriorityWeightFairshare": "PriorityWeightFairShare",
    "NamespaceType": "JobContainerType",
    "EpilogTimeout": "PrologEpilogTimeout",
    "PrologTimeout": "PrologEpilogTimeout",
}
#: a property -> the parameter of which it is a word
_PARTS = {
    "KeepaliveInterval": ("CommunicationParameters", "keepaliveinterval"),
    "KeepaliveProbes": ("CommunicationParameters", "keepaliveprobes"),
    "KeepaliveTime": ("CommunicationParameters", "keepalivetime"),
    "GetNameInfoCacheTimeout": ("CommunicationParameters", "getnameinfo_cache_timeout"),
    "HostUnreachRetryCount": ("CommunicationParameters", "host_unreach_retry_count"),
}
_NO_TIMEOUT = 65534


def slurm_conf(told: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """(slurm_conf, slurm_conf_meta) of the rows (name, text) that slurmctld tells."""
    rows = {name: "(null)" if text is None else str(text) for name, text in told}
    conf: dict[str, Any] = {}
    for field in _FIELDS:
        name = field.path
        text = rows.get(_NAMES.get(name, name), "(null)")
        if name in _PARTS:
            parameter, word = _PARTS[name]
            text = _words(rows.get(parameter, "")).get(word, "0")
        text = _WORDS.get(name, {}).get(text, text)
        conf[name] = _listed(rows, name) if field.type is STRING_ARRAY else _value(field.type, text)
    for name in ("EpilogTimeout", "PrologTimeout"):
        if conf[name] == _NO_TIMEOUT:
            conf[name] = None
    for name in ("SlurmUser", "SlurmdUser"):
        conf[name], conf[f"{name}Id"] = _user(rows.get(name, ""))
    conf["MaxMemPerCPU"] = 0 if conf["MaxMemPerCPU"] in (None, INFINITE) else conf["MaxMemPerCPU"]
    conf["DefMemPerCPU"] = 0 if "DefMemPerCPU" not in rows else conf["DefMemPerCPU"]
    conf["ConfFlags"] = tuple(
        name
        for name in ("DisableRootJobs", "AllowSpecResourcesUsage", "UsePam", "TrackWCKey")
        if rows.get(name, "no") == "yes"
    )
    words = _words(rows.get("CommunicationParameters", ""))
    conf["CommunicationParametersFlags"] = (
        *(("IPv4",) if "disableipv4" not in words else ()),
        *(("IPv6",) if "enableipv6" in words else ()),
        *(("disable_http",) if "disable_http" in words else ()),
    )
    flags = SLURM_CONF.fields_by_path["SlurmdParametersFlags"].type
    conf["SlurmdParametersFlags"] = _value(flags, rows.get("SlurmdParameters", ""))
    conf["JobAcctOomKill"] = "overmemorykill" in _words(rows.get("JobAcctGatherParams", ""))
    conf["JobDefaults"] = tuple(
        {"type": (key,), "value": int(value)}
        for key, value in (part.partition("=")[::2] for part in rows.get("JobDefaults", "").split(","))
        if value.isdecimal()
    )
    conf["controllers"] = tuple(_controller(text) for text in _listed(rows, "SlurmctldHost"))
    ports = _ports(rows.get("SlurmctldPort", ""))
    conf["SlurmctldPort"], conf["SlurmctldPortCount"] = ports[0], ports[1] - ports[0] + 1
    low, high = _ports(rows.get("SrunPortRange", ""))
    conf["SrunPortRange"] = {"minimum": low, "maximum": high, "set": bool(high)}
    started = _time(rows.get("BOOT_TIME", ""))
    number = rows.get("NEXT_JOB_ID", "")
    meta = {
        "LastUpdate": started,
        "BOOT_TIME": started,
        "ClusterId": 0,  # there are no SLUIDs for which clusters would need one
        "NEXT_JOB_ID": int(number) if number.isdecimal() else None,
        "SLURM_CONF": rows.get("SLURM_CONF", ""),
        "SLURM_VERSION": rows.get("SLURM_VERSION", ""),
    }
    return conf, meta


def _controller(text: str) -> dict[str, str]:
    machine, _, address = text.rstrip(")").partition("(")
    return {"machine": machine, "address": address or machine}


def _ports(text: str) -> tuple[int, int]:
    low, _, high = text.partition("-")
    if not low.isdecimal():
        return 0, 0
    return int(low), int(high) if high.isdecimal() else int(low)


def _time(text: str) -> int:
    try:
        return times.parse_time(text, 0, True)
    except ValueError:
        return 0


_PURGE = re.compile(r"(\d+) (hours|days|months)(\*?)")


def slurmdbd_conf(told: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """The record of the rows (name, text) that slurmdbd tells."""
    rows = {name: "(null)" if text is None else str(text) for name, text in told}
    conf: dict[str, Any] = {}
    for field in SLURMDBD_CONF.fields:
        text = rows.get(field.path, "(null)")
        if field.type is PURGE_UNITS:
            match = _PURGE.match(text)
            conf[field.path] = {"set": True, match[2]: int(match[1]), "archive": bool(match[3])} if match else {}
        else:
            conf[field.path] = _value(field.type, text)
    conf["StorageLoc"] = conf["StorageUser"] = None  # properties that slurmrestd leaves empty
    return conf
