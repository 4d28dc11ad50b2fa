"""VS Code in a browser: started once, with a window for each folder.

A person's hands are the browser's mouse and keyboard; what cannot be seen is asked of VS Code's own API, by
JavaScript that runs in its extension host.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path
from typing import Any, TypeVar

import attrs
from playwright.sync_api import Browser, Locator, Page, ViewportSize, sync_playwright
from playwright.sync_api import TimeoutError as NotSeen

from tests.editors.drivers.home import Home
from tests.editors.drivers.vscode.provision import NODE, code_server, control, extension
from tests.editors.drivers.waiting import PATIENCE_S, until

T = TypeVar("T")

SETTINGS = {
    "workbench.startupEditor": "none",
    "workbench.colorTheme": "Default Light Modern",
    "security.workspace.trust.startupPrompt": "always",
    "security.workspace.trust.banner": "never",
    "telemetry.telemetryLevel": "off",
    "chat.disableAIFeatures": True,
    "files.autoSave": "off",  # as on the desktop; code-server's own default saves by itself
    "editor.minimap.enabled": False,
}
SIZE: ViewportSize = {"width": 1400, "height": 900}
TRUST = "I trust the authors"
DISTRUST = "I don't trust the authors"
HASTE_MS = 3000.0
"""A press that has not shown by then was swallowed, as by a menu that is just being drawn: once more."""


@attrs.define
class Window:
    """VS Code's window on one folder."""

    page: Page
    folder: Path
    port: int
    token: str
    changed: set[str] = attrs.field(factory=set[str])
    """Names of the settings that are not as at the beginning."""

    def js(self, code: str, *args: object) -> Any:  # noqa: ANN401 - what the code returns
        """Run the body of an async function with ``vscode`` and ``args``; its value."""
        # The browser's messages are taken in only while we wait for it.
        self.page.wait_for_timeout(1)
        body = json.dumps({"code": code, "args": args}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/", body, {"x-token": self.token})
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
            reply = json.load(response)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply["value"]

    def command(self, name: str, *args: object) -> None:
        """Run one of VS Code's commands, and do not wait for what the person is asked then."""
        self.js("void vscode.commands.executeCommand(args[0], ...args.slice(1))", name, *args)

    def open(self, file: Path, first: int | None = None, last: int | None = None) -> None:
        """Open a file, with these lines (from 1 on) selected."""
        self.js(
            """const [path, first, last] = args;
            const selection = first === null ? {} : { selection: new vscode.Range(first - 1, 0, last - 1, 1e6) };
            const options = { preview: false, ...selection };
            await vscode.commands.executeCommand("vscode.open", vscode.Uri.file(path), options);""",
            str(file),
            first,
            last,
        )

    def close_unsaved(self, name: str) -> None:
        """Close the tab of a document that is being changed, and save nothing.

        VS Code keeps it open when an edit comes while it reads the file again: a person clicks once more.
        """

        def closed() -> bool:
            self.page.locator(".tab", has_text=name).locator(".tab-actions .action-label").click()
            self.page.get_by_role("button", name="Don't Save").click()
            return self.gone(name)

        until(closed, f"{name} to be closed")

    def gone(self, name: str) -> bool:
        """Tell whether a tab disappears within a moment."""
        try:
            self.page.locator(".tab", has_text=name).wait_for(state="detached", timeout=HASTE_MS)
        except NotSeen:
            return False
        return True

    def put_cursor(self, document: str, line: int, column: int | None = None) -> None:
        """Go to a column of a line (from 0 on, -1 is the last), or to its end, in a document on the screen."""
        go = """const editor = vscode.window.visibleTextEditors.find((one) => one.document.uri.path.endsWith(args[0]));
            if (!editor) return false;
            const { document, viewColumn } = editor;
            const line = args[1] < 0 ? document.lineCount + args[1] : args[1];
            const column = args[2] ?? document.lineAt(line).text.length;
            const selection = new vscode.Range(line, column, line, column);
            await vscode.window.showTextDocument(document, { viewColumn, selection });
            return true;"""
        until(lambda: self.js(go, document, line, column), f"{document} on the screen")

    def text(self, document: str) -> str | None:
        """Text of an open document, by the end of its path."""
        return self.js(
            """const found = vscode.workspace.textDocuments.find((one) => one.uri.path.endsWith(args[0]));
            return found?.getText().replaceAll("\\r\\n", "\\n");""",
            document,
        )

    def is_dirty(self, document: str) -> bool:
        """Tell whether a document has unsaved changes."""
        return self.js(
            "return vscode.workspace.textDocuments.find((one) => one.uri.path.endsWith(args[0]))?.isDirty",
            document,
        )

    def columns(self) -> list[str]:
        """Names of the documents on the screen, from left to right."""
        return self.js(
            """return vscode.window.tabGroups.all.filter((group) => group.activeTab)
                .map((group) => group.activeTab.label);"""
        )

    def is_at_the_end(self, document: str) -> bool:
        """Tell whether the last line of a document can be seen."""
        return self.js(
            """const editor = vscode.window.visibleTextEditors.find((one) => one.document.uri.path.endsWith(args[0]));
            return Boolean(editor) && editor.visibleRanges.at(-1)?.end.line === editor.document.lineCount - 1;""",
            document,
        )

    def focused(self) -> str:
        """Path of the document that the person types into."""
        return self.js("return vscode.window.activeTextEditor?.document.uri.path")

    def status(self) -> str:
        """Kvasir's words in the status bar."""
        return self.page.locator("#kvasir\\.kvasir\\.kvasir\\.status").inner_text().strip()

    def click_status(self) -> None:
        """Click Kvasir's place in the status bar."""
        self.page.locator("#kvasir\\.kvasir\\.kvasir\\.status a").click()

    def notifications(self) -> list[str]:
        """The messages that are on the screen."""
        return self.page.locator(".notification-list-item-message").all_inner_texts()

    def press(self, keys: str, shown: Locator) -> None:
        """Press keys until what they show is there."""

        def pressed() -> bool:
            self.page.keyboard.press(keys)
            try:
                shown.wait_for(timeout=HASTE_MS)
            except NotSeen:
                return False
            return True

        until(pressed, f"what {keys} shows")

    def type(self, text: str) -> None:
        """Type on the keyboard, wherever the focus is."""
        self.page.keyboard.type(text)

    @property
    def box(self) -> Locator:
        """The field that takes a question, or the search in a list of choices."""
        return self.page.locator(".quick-input-widget input[type=text]")

    def choose(self, label: str) -> None:
        """Click one of the choices on the screen."""
        self.page.locator(".quick-input-list-row", has_text=label).first.click()

    def ask(self, question: str) -> None:
        """Press the key that asks, type the question and send it."""
        self.press("Control+Alt+KeyK", self.box)
        self.type(question)
        self.page.keyboard.press("Enter")

    def save(self) -> None:
        """As a person saves."""
        self.page.keyboard.press("Control+KeyS")

    def settle(self) -> None:
        """Close all documents as they are on disk, and every message."""
        keep_nothing = self.page.get_by_role("button", name="Don't Save")

        def closed() -> bool:
            if keep_nothing.is_visible():
                keep_nothing.click()
            elif self.columns():
                self.command("workbench.action.revertAndCloseActiveEditor")
            return not self.columns()

        until(closed, "all documents to be closed")
        self.command("workbench.action.closeQuickOpen")
        self.command("notifications.clearAll")

    def set(self, values: dict[str, object]) -> None:
        """Set the person's settings."""
        self.changed |= values.keys()
        self._update(values)

    def reset(self) -> None:
        """Take back all that was set."""
        self._update({name: SETTINGS.get(name) for name in self.changed})
        self.changed.clear()

    def _update(self, values: dict[str, object]) -> None:
        self.js(
            """for (const [name, value] of Object.entries(args[0]))
                await vscode.workspace.getConfiguration().update(name, value ?? undefined, true);""",
            values,
        )

    def screenshot(self, path: Path) -> None:
        """Write a picture of the window."""
        self.page.screenshot(path=path)


@attrs.define
class VSCode:
    """VS Code's server and a browser."""

    browser: Browser
    home: Home
    port: int
    addresses: Path

    def window(self, folder: Path, answer: str = TRUST) -> Window:
        """Open a folder, and say whether its authors are trusted."""
        page = self.browser.new_page(viewport=SIZE)
        page.goto(f"http://127.0.0.1:{self.port}/?folder={folder}")
        page.get_by_text(answer, exact=False).last.click(timeout=PATIENCE_S * 1000)
        address = self.addresses / f"{folder.name}.json"

        def arrived() -> bool:
            page.wait_for_timeout(20)
            return address.exists()

        until(arrived, "the extension host")
        return Window(page, folder, **json.loads(address.read_text(encoding="utf-8")))


@contextlib.contextmanager
def vscode(chromium: str, home: Home) -> Generator[VSCode]:
    """Start VS Code with our extension installed from its .vsix. Everything it starts ends with it."""
    data, addresses = home.path / "vscode", home.path / "control"
    addresses.mkdir()
    settings = data / "User/settings.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(SETTINGS), encoding="utf-8")
    # As if started from a shell: else it would ask a login shell for its PATH, and ours would be lost.
    env = home.env | {"KVASIR_CONTROL": str(addresses), "VSCODE_CLI": "1"}
    folders = ("--user-data-dir", str(data), "--extensions-dir", str(home.path / "extensions"))
    program = [str(NODE), str(code_server()), *folders, "--config", str(home.path / "code-server.yaml")]
    for package in (extension(), control(home.path / "control.vsix")):
        subprocess.run(
            [*program, "--install-extension", str(package)],
            env=env,
            check=True,
            capture_output=True,
            timeout=PATIENCE_S,
        )
    with _serving(program, env, home) as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        try:
            yield VSCode(browser, home, port, addresses)
        finally:
            browser.close()


@contextlib.contextmanager
def _serving(program: list[str], env: dict[str, str], home: Home) -> Generator[int]:
    """The port of VS Code's server, in a session of its own so that nothing of it stays."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    quiet = ("--disable-telemetry", "--disable-update-check", "--disable-getting-started-override")
    argv = [*program, "--auth", "none", "--bind-addr", f"127.0.0.1:{port}", *quiet]
    log = home.path / "code-server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            argv, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        until(lambda: server.poll() is not None or _answers(port), "VS Code's server")
        if server.poll() is not None:
            raise RuntimeError(log.read_text(encoding="utf-8"))
        yield port
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait(PATIENCE_S)


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=PATIENCE_S):
            return True
    except urllib.error.URLError:
        return False
