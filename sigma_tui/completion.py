"""Shell completion, written from the parser: commands, options and the values they allow."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field

SHELLS = ("bash", "zsh", "fish")


@dataclass(slots=True)
class Node:
    """One command: its words, its options with their help, and values by option."""

    path: tuple[str, ...]
    commands: dict[str, str] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)
    values: dict[str, tuple[str, ...]] = field(default_factory=dict)
    valued: list[str] = field(default_factory=list)
    words: tuple[str, ...] = ()


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script of a shell."""
    nodes = list(_walk(parser, ()))
    if shell == "fish":
        return _fish(nodes)
    bash = _bash(nodes)
    return bash if shell == "bash" else f"autoload -U +X bashcompinit && bashcompinit\n{bash}"


def _walk(parser: argparse.ArgumentParser, path: tuple[str, ...]) -> Iterator[Node]:
    node, inner = Node(path), []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {item.dest: item.help or "" for item in action._choices_actions}
            node.commands = {name: helps.get(name, "") for name in action.choices}
            inner = list(action.choices.items())
            continue
        choices = tuple(map(str, action.choices or ()))
        if not action.option_strings:
            node.words += choices
        for option in action.option_strings:
            node.options[option] = (action.help or "").replace("%%", "%")
            if choices:
                node.values[option] = choices
            elif action.nargs != 0:
                node.valued.append(option)
    yield node
    for name, child in inner:
        yield from _walk(child, (*path, name))


def _bash(nodes: list[Node]) -> str:
    steps = "|".join(f'"{" ".join(n.path[:-1])}>{n.path[-1]}"' for n in nodes if n.path)
    lines = [
        "_sigma() {",
        '    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}"',
        '    local path="" word words=""',
        '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        '        case "$path>$word" in',
        f'            {steps}) path="${{path:+$path }}$word" ;;',
        "        esac",
        "    done",
        '    case "$path>$prev" in',
    ]
    for node in nodes:
        name = " ".join(node.path)
        for option, values in node.values.items():
            lines.append(f'        "{name}>{option}") words="{" ".join(values)}" ;;')
        if node.valued:
            options = "|".join(f'"{name}>{option}"' for option in node.valued)
            lines.append(f'        {options}) COMPREPLY=($(compgen -f -- "$cur")); return ;;')
    lines += ["    esac", '    [ -n "$words" ] || case "$path" in']
    for node in nodes:
        offered = " ".join((*node.commands, *node.words, *node.options))
        lines.append(f'        "{" ".join(node.path)}") words="{offered}" ;;')
    lines += [
        "    esac",
        '    COMPREPLY=($(compgen -W "$words" -- "$cur"))',
        "}",
        "complete -o filenames -F _sigma sigma",
    ]
    return "\n".join(lines) + "\n"


def _fish(nodes: list[Node]) -> str:
    lines = ["complete -c sigma -f"]
    for node in nodes:
        seen = [f"__fish_seen_subcommand_from {name}" for name in node.path]
        if node.commands:
            seen.append(f"not __fish_seen_subcommand_from {' '.join(node.commands)}")
        condition = f" -n {_single('; and '.join(seen))}" if seen else ""
        for name, text in node.commands.items():
            lines.append(f"complete -c sigma{condition} -a {name} -d {_single(text)}")
        for word in node.words:
            lines.append(f"complete -c sigma{condition} -a {word}")
        for option, text in node.options.items():
            kind = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            value = ""
            if option in node.values:
                value = f" -x -a {_single(' '.join(node.values[option]))}"
            elif option in node.valued:
                value = " -r -F"
            lines.append(f"complete -c sigma{condition} {kind}{value} -d {_single(text)}")
    return "\n".join(lines) + "\n"


def _single(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
