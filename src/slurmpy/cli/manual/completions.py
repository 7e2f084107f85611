"""Shell completions: options and their words from the tables, jobs, nodes and the like from the cluster itself.

What only the cluster knows the shells get by ``COMMAND --autocomplete=:KIND:PREFIX`` (`slurmpy.cli.candidates`), which
never starts a pocket cluster and is silent when there is none.
"""

from __future__ import annotations

from .pages import COMMANDS, table

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..command import Command, Option

#: what the operands of a command are
OPERANDS = {
    "sacct": "", "sacctmgr": "words", "salloc": "command", "sbatch": "file", "scancel": "job", "scontrol": "words",
    "scrun": "words", "sinfo": "", "squeue": "", "srun": "command",
}  # fmt: skip
NOTE = 'Made from the tables in the source by "python -m slurmpy.cli.generate"; do not edit.'


def all_scripts() -> dict[str, str]:
    """File name below completions/: text."""
    return {"bash/slurmpy": bash(), "zsh/_slurmpy": zsh(), "fish/slurmpy.fish": fish()}


def visible(command: Command) -> list[Option]:
    return [row for row in command.options if row.reject is None and row.long != "--autocomplete"]


def words_of(row: Option) -> str:
    """``:kind`` for what the cluster, or the shell, completes; else the words themselves."""
    if isinstance(row.complete, tuple):
        return " ".join(row.complete)
    return f":{row.complete}" if row.complete else ""


def keywords(command: Command) -> list[str]:
    """First words of a command like scontrol."""
    found: list[str] = []
    for operand, _ in command.operands:
        for word in operand.split(","):
            first = word.split()[0] if word.split() else ""
            if first[:1].isalpha() and first.islower() and first not in found:
                found.append(first)
    return found


def quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


BASH_HEAD = """# bash completion of slurmpy's commands.
# {note}

_slurmpy_ask() {{ # command kind: what the cluster knows
    local word=${{cur##*,}} head=
    [[ $cur == *,* ]] && head=${{cur%,*}},
    COMPREPLY=($(compgen -P "$head" -W "$("$1" --autocomplete=":$2:$word" 2>/dev/null)" -- "$word"))
    [[ ${{#COMPREPLY[@]}} -eq 1 && $2 != signal ]] && compopt -o nospace
}}

_slurmpy_value() {{ # command words-or-:kind
    case $2 in
    :file) COMPREPLY=($(compgen -f -- "$cur")) && compopt -o filenames ;;
    :directory) COMPREPLY=($(compgen -d -- "$cur")) && compopt -o filenames ;;
    :user) COMPREPLY=($(compgen -u -- "$cur")) ;;
    :*) _slurmpy_ask "$1" "${{2#:}}" ;;
    *) COMPREPLY=($(compgen -W "$2" -- "$cur")) ;;
    esac
}}

_slurmpy() {{
    local command=${{COMP_WORDS[0]##*/}} cur=${{COMP_WORDS[COMP_CWORD]}} prev= options= takes= operands= plain= index
    (( COMP_CWORD > 0 )) && prev=${{COMP_WORDS[COMP_CWORD-1]}}
    if [[ $cur == = ]]; then cur= prev=$prev; elif [[ $prev == = ]] && (( COMP_CWORD > 1 )); then
        prev=${{COMP_WORDS[COMP_CWORD-2]}}
    fi
    COMPREPLY=()
    case $command in
"""

BASH_TAIL = """    *) return ;;
    esac
    local pair name
    while IFS= read -r pair; do
        [[ -z $pair ]] && continue
        name=${pair%%=*}
        if [[ $prev == "$name" ]]; then
            [[ -n ${pair#*=} ]] && _slurmpy_value "$command" "${pair#*=}"
            return
        fi
    done <<< "$takes"
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
        [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace
        return
    fi
    case $operands in
    job) _slurmpy_ask "$command" job ;;
    file) COMPREPLY=($(compgen -f -- "$cur")) && compopt -o filenames ;;
    command)
        for ((index = 1; index < COMP_CWORD; index++)); do
            plain=${COMP_WORDS[index]}
            [[ $plain != -* && $plain != = && ${COMP_WORDS[index-1]} != -* && ${COMP_WORDS[index-1]} != = ]] && break
            plain=
        done
        if [[ -n $plain ]]; then COMPREPLY=($(compgen -f -- "$cur")) && compopt -o filenames
        else COMPREPLY=($(compgen -c -- "$cur")); fi ;;
    *)
        case $prev in
        job | jobs | hold | release | requeue | suspend | resume | top | notify | wait_job | batch_script | jobid)
            _slurmpy_ask "$command" job ;;
        node | nodes) _slurmpy_ask "$command" node ;;
        partition | partitions) _slurmpy_ask "$command" partition ;;
        reservation | reservations) _slurmpy_ask "$command" reservation ;;
        *) COMPREPLY=($(compgen -W "$operands" -- "$cur")) ;;
        esac ;;
    esac
}
"""


def bash() -> str:
    out = [BASH_HEAD.format(note=NOTE)]
    for name in COMMANDS:
        command = table(name)
        rows = visible(command)
        spelled = []
        takes = []
        for row in rows:
            spelled += [word for word in (row.short,) if word]
            spelled.append(row.long + ("=" if row.argument == "required" else ""))
            if row.argument == "required":
                takes += [f"{word}={words_of(row)}" for word in (row.short, row.long) if word]
            elif row.complete == "job":  # squeue takes the next word for it
                takes += [f"{word}=:job" for word in (row.short, row.long) if word]
            elif words_of(row):
                takes.append(f"{row.long}={words_of(row)}")
        operands = OPERANDS.get(name, "file")
        if operands == "words":
            operands = " ".join(keywords(command) + entities(name))
        out.append(f"    {name})\n        options={quoted(' '.join(spelled))}\n")
        out.append(f"        takes={quoted(chr(10).join(takes))}\n        operands={quoted(operands)} ;;\n")
    out.append(BASH_TAIL)
    out.append("complete -F _slurmpy " + " ".join(COMMANDS) + "\n")
    return "".join(out)


def entities(name: str) -> list[str]:
    """Words that stand behind the keywords of scontrol."""
    if name != "scontrol":
        return []
    from ..options import scontrol

    return [word for word in getattr(scontrol, "ENTITIES", ()) if word not in keywords(table(name))]


ZSH_HEAD = """#compdef {commands}
# zsh completion of slurmpy's commands.
# {note}

_slurmpy_ask() {{ # kind: what the cluster knows
    local -a found
    compset -P '*,'
    found=(${{(f)"$(_call_program values $service --autocomplete=:$1:${{(q)PREFIX}} 2>/dev/null)"}})
    (( $#found )) && compadd -a found
}}

_slurmpy_job() {{ _slurmpy_ask job }}
_slurmpy_node() {{ _slurmpy_ask node }}
_slurmpy_partition() {{ _slurmpy_ask partition }}
_slurmpy_account() {{ _slurmpy_ask account }}
_slurmpy_qos() {{ _slurmpy_ask qos }}
_slurmpy_reservation() {{ _slurmpy_ask reservation }}
_slurmpy_signal() {{ _slurmpy_ask signal }}
_slurmpy_state() {{ _slurmpy_ask state }}
_slurmpy_license() {{ _slurmpy_ask license }}

case $service in
"""


def zsh_text(text: str) -> str:
    first = text.partition(". ")[0].partition(": ")[0].rstrip(".")
    safe = first.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")
    return safe.replace("'", "'\\''")


def zsh_action(row: Option) -> str:
    if isinstance(row.complete, tuple):
        return "(" + " ".join(word.replace(":", "\\:") for word in row.complete) + ")"
    known = {"file": "_files", "directory": "_files -/", "user": "_users"}
    return known.get(str(row.complete), f"_slurmpy_{row.complete}") if row.complete else " "


def zsh() -> str:
    out = [ZSH_HEAD.format(commands=" ".join(COMMANDS), note=NOTE)]
    for name in COMMANDS:
        command = table(name)
        out.append(f"{name})\n    _arguments -s -S {'' if command.permute else '-A ' + quoted('-*') + ' '}\\\n")
        for row in visible(command):
            meaning = f"[{zsh_text(row.help)}]"
            star = "*" if row.count else ""
            value = ""
            if row.argument != "no":
                colon = ":" if row.argument == "required" else "::"
                value = (
                    f"{colon}{(row.metavar or 'value').replace(':', ' ').replace('[', '(').replace(']', ')').lower()}"
                )
                value = value.replace("'", "") + f":{zsh_action(row)}"
            equals = {"no": "", "required": "=", "optional": "=-"}[row.argument]
            out.append(f"        '{star}{row.long}{equals}{meaning}{value}' \\\n")
            if row.short:
                glued = {"no": "", "required": "+", "optional": "-"}[row.argument]
                out.append(f"        '{star}{row.short}{glued}{meaning}{value}' \\\n")
        operands = OPERANDS.get(name, "file")
        if operands == "words":
            words = " ".join(keywords(command) + entities(name))
            out.append(f"        '*::word:({words})' ;;\n")
        else:
            action = {"job": "_slurmpy_job", "file": "_files", "command": "_normal", "": "_default"}[operands]
            out.append(f"        '*::argument:{action}' ;;\n")
    out.append("esac\n")
    return "".join(out)


def fish() -> str:
    out = [
        "# fish completion of slurmpy's commands.\n# " + NOTE + "\n\n"
        "function __slurmpy_ask --description 'what the cluster knows'\n"
        "    set -l word (commandline -ct | string replace -r '^--?[A-Za-z-]+=' '')\n"
        "    set -l head (string match -r '^.*,' -- $word)\n"
        "    set -l rest (string replace -r '^.*,' '' -- $word)\n"
        "    for found in ($argv[1] --autocomplete=:$argv[2]:$rest 2>/dev/null)\n"
        "        echo $head$found\n"
        "    end\n"
        "end\n"
    ]
    for name in COMMANDS:
        command = table(name)
        out.append("\n")
        operands = OPERANDS.get(name, "file")
        if operands == "job":
            out.append(f"complete -c {name} -f -a '(__slurmpy_ask {name} job)'\n")
        elif operands == "words":
            out.append(f"complete -c {name} -f -a {quoted(' '.join(keywords(command) + entities(name)))}\n")
        elif operands == "command":
            out.append(f"complete -c {name} -x -a '(__fish_complete_subcommand)'\n")
        elif not operands:
            out.append(f"complete -c {name} -f\n")
        for row in visible(command):
            short = f" -s {row.short[1:]}" if row.short else ""
            meaning = quoted(row.help.partition(". ")[0].rstrip("."))
            line = f"complete -c {name}{short} -l {row.long[2:]} -d {meaning}"
            if row.argument == "required":
                line += " -r" if row.complete in ("file", "directory") else " -x"
            if isinstance(row.complete, tuple):
                line += f" -a {quoted(' '.join(row.complete))}"
            elif row.complete == "user":
                line += " -a '(__fish_complete_users)'"
            elif row.complete == "directory":
                line += " -a '(__fish_complete_directories)'"
            elif row.complete and row.complete != "file":
                line += f" -a '(__slurmpy_ask {name} {row.complete})'"
            out.append(line + "\n")
    return "".join(out)
