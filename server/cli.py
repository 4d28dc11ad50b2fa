"""The command line: what can be said, and which module does it.

Nothing heavy is imported before it is needed.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

from context.errors import KvasirError

EPILOG = (
    '"kvasir setup" lets your editors start Kvasir (as "kvasir lsp"); "kvasir doctor" says what is wrong.'
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; the exit status. What a person should know is one line on stderr."""
    options = parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except KvasirError as error:
        print(f"kvasir: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    top = argparse.ArgumentParser(
        prog="kvasir", description="A conversation with a language model about your code.", epilog=EPILOG
    )
    top.add_argument("--version", action="version", version=f"kvasir {version('kvasir')}")
    top.set_defaults(run=_run_help)
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    _ask(commands.add_parser("ask", help="ask a question and stream the answer"))
    _context(commands.add_parser("context", help="show what would be sent with a question, with its tokens"))
    _chats(commands.add_parser("chats", help="list, search, show, rename or delete chats"))
    _status(commands.add_parser("status", help="models, servers, slots and how much was cached"))
    _lsp(commands.add_parser("lsp", help="be the language server of an editor"))
    _server(commands.add_parser("server", help="the llama-server that Kvasir runs"))
    _setup(
        commands.add_parser("setup", help="let your editors start Kvasir; shows what it would write first")
    )
    doctor = commands.add_parser("doctor", help="check the set-up and say what is wrong")
    doctor.set_defaults(run=_run_doctor)
    demo = commands.add_parser(
        "demo", help="warm up, ask and fork about a file of a project, with the numbers"
    )
    demo.add_argument("file", nargs="?", type=Path, help="file to ask about (default: one of this project)")
    demo.set_defaults(run=_run_demo)
    completion = commands.add_parser("completion", help="print a completion script for a shell")
    completion.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    completion.set_defaults(run=_run_completion)
    return top


def _ask(command: argparse.ArgumentParser) -> None:
    _question(command)
    command.add_argument("--json", action="store_true", help="print each event as a line of JSON")
    command.set_defaults(run=_run_ask)


def _context(command: argparse.ArgumentParser) -> None:
    _question(command)
    command.add_argument("--json", action="store_true", help="print it as JSON, with the texts")
    command.set_defaults(run=_run_context)


def _question(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "question", nargs="*", help='the question; "-" or a pipe adds the selection from stdin'
    )
    _sources(command.add_argument_group("what is sent"))
    command.add_argument("-m", "--model", help="name of the model")
    command.add_argument(
        "--mode", help="explain, review, fix, tests, document, brainstorm, tutor or refactor"
    )
    where = command.add_mutually_exclusive_group()
    where.add_argument("--chat", metavar="ID", help="go on with a chat")
    where.add_argument("--fork", metavar="ID:TURN", help="go on from an earlier turn of a chat")


def _sources(command: argparse._ArgumentGroup) -> None:  # pyright: ignore[reportPrivateUsage] - has no other name
    command.add_argument(
        "-f",
        "--file",
        action="append",
        default=[],
        help='a file, a folder or a pattern such as "src/**/*.py"; may be repeated',
    )
    command.add_argument("-l", "--lines", metavar="A:B", help="only lines A to B of the (last) file")
    command.add_argument("-p", "--project", action="store_true", help="the whole project")
    for words, meaning in (
        (("-t", "--related"), "what the lines use and who uses them, as signatures"),
        (("--map",), "the most important symbols of the project"),
        (("--retrieval",), "the pieces of the project that fit the question best"),
        (("--diff",), "what git says has changed"),
        (("--staged",), "what git has staged for the next commit"),
        (("--blame",), "who wrote the lines, and in which commits"),
        (("--log",), "the last commits"),
    ):
        command.add_argument(*words, action="store_true", help=meaning)
    command.add_argument(
        "--notes",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="the project's notes, such as AGENTS.md (default: as configured, with new chats)",
    )


def _chats(command: argparse.ArgumentParser) -> None:
    command.add_argument("query", nargs="*", help="words to search in titles, questions and answers")
    one = command.add_mutually_exclusive_group()
    one.add_argument("--show", metavar="ID", help="print a chat as Markdown")
    one.add_argument("--rename", nargs=2, metavar=("ID", "TITLE"))
    one.add_argument("--delete", metavar="ID")
    command.add_argument("--json", action="store_true", help="print the list as JSON")
    command.set_defaults(run=_run_chats)


def _status(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print it as JSON")
    command.set_defaults(run=_run_status)


def _lsp(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--tcp", type=int, metavar="PORT", help="serve one client on 127.0.0.1 instead of stdio"
    )
    command.set_defaults(run=_run_lsp)


def _server(command: argparse.ArgumentParser) -> None:
    command.add_argument("action", choices=["status", "stop"])
    command.set_defaults(run=_run_server)


def _setup(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "editor",
        nargs="?",
        help="vim, nvim, helix, code, codium, code-server, cursor, emacs or kakoune (default: all installed)",
    )
    command.add_argument("--yes", action="store_true", help="do it without asking")
    what = command.add_mutually_exclusive_group()
    what.add_argument("--remove", action="store_true", help="take back what setup did")
    what.add_argument("--print", action="store_true", help="print what would be written, and write nothing")
    command.set_defaults(run=_run_setup)


def _run_help(_options: argparse.Namespace) -> int:
    parser().print_help()
    return 0


def _run_ask(options: argparse.Namespace) -> int:
    from server.terminal import ask

    return ask(options)


def _run_context(options: argparse.Namespace) -> int:
    from server.terminal import context

    return context(options)


def _run_chats(options: argparse.Namespace) -> int:
    from server.terminal import chats

    return chats(options)


def _run_status(options: argparse.Namespace) -> int:
    from server.status import show

    return show(as_json=options.json)


def _run_server(options: argparse.Namespace) -> int:
    from server import status

    return status.show_servers() if options.action == "status" else status.stop_servers()


def _run_lsp(options: argparse.Namespace) -> int:
    from server.app import run

    return run(options.tcp)


def _run_setup(options: argparse.Namespace) -> int:
    from server.setup import dialogue

    if options.print:
        return dialogue.print_only(options.editor)
    return (dialogue.take_back if options.remove else dialogue.set_up)(options.editor, yes=options.yes)


def _run_doctor(_options: argparse.Namespace) -> int:
    from server.doctor import examine

    return examine()


def _run_demo(options: argparse.Namespace) -> int:
    from server.demo import run

    return run(options.file)


def _run_completion(options: argparse.Namespace) -> int:
    import shtab

    print(shtab.complete(parser(), options.shell))
    return 0
