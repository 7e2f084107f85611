"""The description of a job that a client sends: each property is read as sbatch reads the option of that meaning.

The first property that cannot be used ends the reading, with the option's own message.
"""

from __future__ import annotations

from typing import Any

from slurmpy.core import times
from slurmpy.core.records.description import JobDescriptor

from ..errors import Context, ParseFailed
from ..tables import Field, Table
from ..types import UNSET, Reference
from . import option_words as words

F = Field
WORD = words.Option(words.string)
PATH = words.word("", lambda word: word or None)
COUNT = words.Option(words.not_negative, "integer")
SWITCH = words.Option(words.plain_switch, "boolean")
TIME_LIMIT = words.word("Invalid time specification", words.minutes, "integer")
_INT = words.Option(words.whole("Unable to read int"), "integer", "Unable to read int")

FIELDS: tuple[F, ...] = (
    F("account", WORD),
    F("account_gather_frequency", WORD),
    F(
        "argv",
        words.Option(words.argv, {"type": "array", "items": {"type": "string"}}, show=list),
    ),
    F("array", WORD),
    F("batch_features", WORD),
    F(
        "begin_time",
        words.Option(words.begin, {"type": "integer", "format": "int64"}, show=lambda value: times.format_time(value)),
    ),
    F("burst_buffer", WORD),
    F("cluster_constraint", WORD),
    F("comment", WORD),
    F("constraints", WORD),
    F("container", WORD),
    F("core_specification", _INT),
    F("cores_per_socket", COUNT),
    F("cpu_binding", WORD, "", get=words.nothing),
    F("cpu_binding_hint", WORD, "", get=words.nothing, put=words.put_hint),
    F("cpu_frequency", words.word("Unable to parse CPU frequency", words.cpu_frequency)),
    F("cpus_per_gpu", words.Option(words.number), "", get=words.nothing, put=words.put_per("cpus_per_tres")),
    F("cpus_per_task", words.Option(words.count(1, "cpus per task much be greater than 0"), "integer")),
    F("current_working_directory", WORD),
    F("deadline", words.word("Invalid deadline time", words.deadline, show=lambda value: times.format_time(value))),
    F(
        "delay_boot",
        words.word("Invalid delay boot specification", words.delay_boot, "integer", show=lambda value: value // 60),
    ),
    F("dependency", WORD),
    F(
        "distribution",
        words.word("Invalid distribution", words.distribution),
        get=words.get_distribution,
        put=words.put_distribution,
    ),
    F("environment", words.Option(words.environment, "object", show=words.show_environment)),
    F(
        "exclusive",
        words.word(
            "Invalid exclusive specification",
            words.exclusive,
            {"type": "string", "enum": ["user", "mcs", "true", "false"]},
            show=lambda value: words.NOT_EXCLUSIVE.get(value),
        ),
        "shared",
    ),
    F(
        "get_user_environment",
        words.word(
            "Invalid get user environment specification", lambda word: str(int(word)) if word else None, "boolean"
        ),
        "get_user_env",
    ),
    F("gpu_binding", words.word("Invalid --gpu-bind argument", words.gpu_bind), "tres_bind"),
    F("gpu_frequency", words.word("Invalid --gpu-freq argument", words.gpu_frequency), "tres_freq"),
    F("gpus", words.Option(words.gpus), "tres_per_job"),
    F("gpus_per_node", words.Option(words.gpus), "", get=words.nothing, put=words.put_per_node),
    F("gpus_per_socket", words.Option(words.gpus), "tres_per_socket"),
    F("gpus_per_task", words.Option(words.gpus_per_task), "tres_per_task"),
    F("gres", words.word("", words.gres), "", get=lambda job: job.tres_per_node, put=words.put_per_node),
    F(
        "gres_flags",
        words.word(
            "Invalid GRES flags",
            words.gres_flags,
            {"type": "string", "enum": ["disable-binding", "enforce-binding"]},
            show=lambda value: "enforce-binding" if value else "disable-binding",
        ),
        "gres_enforce_binding",
    ),
    F("hold", words.Option(words.hold, "boolean")),
    F("kill_on_invalid_dependency", words.Option(words.switch, "boolean")),
    F("licenses", WORD),
    F(
        "mail_type",
        words.word(
            "Invalid mail type specification",
            words.mail,
            show=lambda value: ",".join(words.MAIL_WORDS[name] for name in value) or "NONE",
        ),
    ),
    F("mail_user", WORD),
    F("mcs_label", WORD),
    F("memory_binding", words.word("Invalid memory binding specification", words.memory_binding)),
    F("memory_per_cpu", words.Option(words.memory("--mem-per-cpu"), "integer")),
    F(
        "memory_per_gpu",
        words.Option(words.memory("--mem-per-gpu"), "integer"),
        "",
        get=words.nothing,
        put=words.put_per("memory_per_tres"),
    ),
    F("memory_per_node", words.Option(words.memory("memory"), "integer")),
    F("minimum_cpus_per_node", COUNT),
    F("minimum_nodes", SWITCH, "use_min_nodes"),
    F("name", WORD),
    F("nice", words.Option(lambda value: None if value is None else words.number(value), "integer")),
    F(
        "no_kill",
        words.word("Invalid no kill specification", words.no_kill, "boolean"),
        "",
        get=words.nothing,
        put=words.put_no_kill,
    ),
    F(
        "nodes",
        words.Option(words.nodes, {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}),
        get=words.get_nodes,
        put=words.put_nodes,
    ),
    F(
        "open_mode",
        words.word(
            "Invalid open mode specification",
            words.open_mode,
            {"type": "string", "enum": ["append", "truncate"], "default": "append"},
            show=lambda value: "append" if value == "a" else "truncate",
        ),
    ),
    F(
        "oversubscribe",
        words.Option(words.plain_switch, {"type": "boolean", "default": "false"}),
        "",
        get=words.nothing,
        put=words.put_shared,
    ),
    F("partition", words.Option(words.text)),
    F("prefer", WORD),
    F("priority", words.word("Invalid priority", words.priority)),
    F("qos", WORD),
    F("requeue", SWITCH),
    F("reservation", WORD),
    F(
        "signal",
        words.word(
            "Invalid SIGNAL specification", words.signal, {"type": "string", "pattern": "(B:|)sig_num(@sig_time|)"}
        ),
        "",
        get=words.get_signal,
        put=words.put_signal,
    ),
    F("sockets_per_node", COUNT),
    F("spread_job", SWITCH),
    F("standard_error", PATH),
    F("standard_input", PATH),
    F("standard_output", PATH),
    F("tasks", words.Option(words.count(1, "ntasks too small"), "integer")),
    F("tasks_per_core", COUNT),
    F("tasks_per_node", COUNT),
    F("tasks_per_socket", COUNT),
    F(
        "thread_specification",
        words.Option(
            lambda value: _positive(words.whole("Unable to read integer")(value), "core_spec must be >0"), "integer"
        ),
    ),
    F("threads_per_core", COUNT),
    F("time_limit", TIME_LIMIT),
    F("time_minimum", TIME_LIMIT),
    F("wait_all_nodes", words.Option(words.wait_all, "boolean", show=int)),
    F("wckey", WORD),
)


def _positive(value: int, message: str) -> int:
    if value <= 0:
        raise words.Bad(message)
    return value


class JobProperties(Table):
    """Read property by property in the order given; unlike elsewhere one that is not known is an error.

    ``unusable`` begins the message about a property that its option refuses; ``disabled`` ones are refused as such.
    """

    unusable = "Unable to process key"
    #: known, and yet not to be said
    disabled: frozenset[str] = frozenset(("cpu_binding",))

    def schema(self, reference: Reference) -> dict[str, Any]:
        found = super().schema(reference)
        return {**found, "required": ["environment"]}

    def dump_at(self, value: Any, now: float) -> dict[str, Any] | None:
        return None if value is None else super().dump_at(value, now)

    def parse(self, document: Any, at: str, context: Context) -> Any:
        if not isinstance(document, dict):
            raise ParseFailed
        values: dict[str, Any] = {}
        for key, entry in document.items():
            if key in self.disabled:
                context.errors.append(
                    {
                        "description": f'Disabled key: "{key}"',
                        "error_number": 1,
                        "error": "Operation not permitted",
                        "source": "openapi specification",
                    }
                )
                raise ParseFailed
            field = self.fields_by_path.get(key)
            if field is None:
                context.errors.append({"description": f'Unknown key "{key}"', "source": "hsearch_r"})
                raise ParseFailed
            try:
                value = field.type.parse(entry, at, context)
            except words.Bad as bad:
                self._refuse(key, bad, context)
                raise ParseFailed from None
            if value is UNSET:
                continue
            if field.put is not None:
                field.put(values, value)
            elif field.attr:
                values[field.attr] = value
        return JobDescriptor(**values)

    def _refuse(self, key: str, bad: words.Bad, context: Context) -> None:
        if bad.message:
            context.errors.append({"error": bad.message, "error_code": bad.number})
        if bad.number != words.NO_ENVIRONMENT:
            context.errors.append(
                {
                    "description": f'{self.unusable} "{key}"',
                    "error_number": words.FAILED,
                    "error": "Unspecified error",
                    "source": "slurm_process_option_data",
                }
            )


JOB_PROPERTIES = JobProperties("job_properties", JobDescriptor, FIELDS, sparse=True)
