"""sstat's columns: what running steps have used so far. The cells are sacct's, whose figures these will be."""

from __future__ import annotations

from ..core.ids import step_name
from . import sacct_table
from .registry import View
from .sacct_cells import Style
from .table import Column, Context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

#: in the order of --helpformat; the width where it is not sacct's
_NAMES: tuple[tuple[str, int], ...] = (
    ("AveCPU", 0), ("AveCPUFreq", 0), ("AveDiskRead", 12), ("AveDiskWrite", 12), ("AvePages", 0), ("AveRSS", 0),
    ("AveVMSize", 0), ("ConsumedEnergy", 0), ("ConsumedEnergyRaw", 0), ("JobID", 0), ("MaxDiskRead", 0),
    ("MaxDiskReadNode", 0), ("MaxDiskReadTask", 0), ("MaxDiskWrite", 0), ("MaxDiskWriteNode", 0),
    ("MaxDiskWriteTask", 0), ("MaxPages", 0), ("MaxPagesNode", 0), ("MaxPagesTask", 0), ("MaxRSS", 0),
    ("MaxRSSNode", 0), ("MaxRSSTask", 0), ("MaxVMSize", 0), ("MaxVMSizeNode", 0), ("MaxVMSizeTask", 0), ("MinCPU", 0),
    ("MinCPUNode", 0), ("MinCPUTask", 0), ("Nodelist", 20), ("NTasks", 0), ("Pids", 20), ("ReqCPUFreq", 0),
    ("ReqCPUFreqMin", 0), ("ReqCPUFreqMax", 0), ("ReqCPUFreqGov", 0), ("TRESUsageInAve", 0), ("TRESUsageInMax", 0),
    ("TRESUsageInMaxNode", 0), ("TRESUsageInMaxTask", 0), ("TRESUsageInMin", 0), ("TRESUsageInMinNode", 0),
    ("TRESUsageInMinTask", 0), ("TRESUsageInTot", 0), ("TRESUsageOutAve", 0), ("TRESUsageOutMax", 0),
    ("TRESUsageOutMaxNode", 0), ("TRESUsageOutMaxTask", 0), ("TRESUsageOutMin", 0), ("TRESUsageOutMinNode", 0),
    ("TRESUsageOutMinTask", 0), ("TRESUsageOutTot", 0),
)  # fmt: skip

DEFAULT = (
    "JobID,MaxVMSize,MaxVMSizeNode,MaxVMSizeTask,AveVMSize,MaxRSS,MaxRSSNode,MaxRSSTask,AveRSS,MaxPages,MaxPagesNode,"
    "MaxPagesTask,AvePages,MinCPU,MinCPUNode,MinCPUTask,AveCPU,NTasks,AveCPUFreq,ReqCPUFreqMin,ReqCPUFreqMax,"
    "ReqCPUFreqGov,ConsumedEnergy,MaxDiskRead,MaxDiskReadNode,MaxDiskReadTask,AveDiskRead,MaxDiskWrite,"
    "MaxDiskWriteNode,MaxDiskWriteTask,AveDiskWrite,TRESUsageInAve,TRESUsageInMax,TRESUsageInMaxNode,"
    "TRESUsageInMaxTask,TRESUsageInMin,TRESUsageInMinNode,TRESUsageInMinTask,TRESUsageInTot,TRESUsageOutAve,"
    "TRESUsageOutMax,TRESUsageOutMaxNode,TRESUsageOutMaxTask,TRESUsageOutMin,TRESUsageOutMinNode,TRESUsageOutMinTask,"
    "TRESUsageOutTot"
)
PIDS = "JobID,Nodelist,Pids"


def _step_id(context: Context, job_id: int, step_id: int) -> str:
    return f"{job_id}.{step_name(step_id)}"


def _pids(context: Context, pids: tuple[int, ...]) -> str:
    return ",".join(map(str, pids))


def _as_sacct(cell: Callable[..., str]) -> Callable[..., str]:
    def render(context: Context, *values: object) -> str:
        return cell(context.more["style"], *values)

    return render


def _column(name: str, width: int) -> Column:
    if name == "JobID":
        return Column("JobID", "JobID", "job_id step_id", _step_id, width=-12)
    if name == "Nodelist":
        return Column("Nodelist", "Nodelist", "nodes", width=width)
    if name == "Pids":
        return Column("Pids", "Pids", "pids", _pids, width=width)
    field = sacct_table.find(name)
    assert field.step is not None
    return Column(name, name, " ".join(field.step_needs), _as_sacct(field.step), width=width or field.width)


VIEW = View("sstat", [_column(name, width) for name, width in _NAMES])


def context(noconvert: bool) -> Context:
    """What the cells need."""
    return Context(more={"style": Style(0, noconvert=noconvert)})


def help_text() -> str:
    names = [name for name, _ in _NAMES]
    lines = [names[start : start + 4] for start in range(0, len(names), 4)]
    return "".join(" ".join(f"{name:<19}" for name in line) + "\n" for line in lines)
