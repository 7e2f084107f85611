"""``sacctmgr add``, ``modify`` and ``delete``: which entities there are, and the function for each."""

from __future__ import annotations

from .sacctmgr_qos import (
    add_cluster,
    add_federation,
    add_qos,
    delete_cluster,
    delete_federation,
    delete_qos,
    modify_cluster,
    modify_federation,
    modify_qos,
)
from .sacctmgr_resources import add_resource, delete_resource, modify_job, modify_resource
from .sacctmgr_users import (
    add_account,
    add_coordinator,
    add_user,
    delete_account,
    delete_coordinator,
    delete_user,
    modify_account,
    modify_user,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .sacctmgr import Session


#: what ADD, MODIFY and DELETE know, in the order in which their errors name them
ENTITIES = {
    "add": ("Account", "Cluster", "Coordinator", "Federation", "QOS", "Resource", "User"),
    "modify": ("Account", "Cluster", "Federation", "Job", "QOS", "Resource", "User"),
    "delete": ("Account", "Cluster", "Coordinator", "Federation", "QOS", "Resource", "User"),
}


ACTIONS: dict[tuple[str, str], Callable[[Session, Sequence[str]], int]] = {
    ("add", "Account"): add_account,
    ("add", "Cluster"): add_cluster,
    ("add", "Coordinator"): add_coordinator,
    ("add", "Federation"): add_federation,
    ("add", "QOS"): add_qos,
    ("add", "Resource"): add_resource,
    ("add", "User"): add_user,
    ("modify", "Account"): modify_account,
    ("modify", "Cluster"): modify_cluster,
    ("modify", "Federation"): modify_federation,
    ("modify", "Job"): modify_job,
    ("modify", "QOS"): modify_qos,
    ("modify", "Resource"): modify_resource,
    ("modify", "User"): modify_user,
    ("delete", "Account"): delete_account,
    ("delete", "Cluster"): delete_cluster,
    ("delete", "Coordinator"): delete_coordinator,
    ("delete", "Federation"): delete_federation,
    ("delete", "QOS"): delete_qos,
    ("delete", "Resource"): delete_resource,
    ("delete", "User"): delete_user,
}
