// Kvasir in VS Code: what it reacts to, in one place. The server does the work; start there if you are new.
import { CodeActionTriggerKind, commands, type ExtensionContext, Uri, window, workspace } from "vscode";
import type { Middleware } from "vscode-languageclient/node";
import { ask, fork, retry, send, tellSelections } from "./ask";
import { isChat, show } from "./chat";
import { menu, openChat, status, switchModel } from "./choose";
import { Marks } from "./marks";
import { here } from "./place";
import { Saving } from "./saving";
import { Server } from "./server";
import { StatusBar } from "./status";
import { Stream } from "./stream";

export async function activate(context: ExtensionContext): Promise<void> {
  const saving = new Saving();
  const server = new Server(context, middleware(saving));
  const stream = new Stream(saving);
  const bar = new StatusBar();
  context.subscriptions.push(
    saving,
    server,
    stream,
    bar,
    new Marks(),
    tellSelections(server),
    server.onDelta((delta) => stream.add(delta)),
    server.onState((state) => bar.tell(state)),
    server.onRunning((isRunning) => bar.running(isRunning)),
    window.onDidChangeActiveTextEditor(markContext),
    workspace.onDidChangeConfiguration((change) => {
      const isNewServer = change.affectsConfiguration("kvasir.command") || change.affectsConfiguration("kvasir.chat.view");
      if (isNewServer) void server.restart();
    }),
    ...Object.entries(offered(server)).map(([name, run]) => commands.registerCommand(name, run)),
  );
  markContext();
  await server.restart();
}

/** Commands of the extension. Those of the server have other names: the client registers them itself. */
function offered(server: Server): Record<string, () => unknown> {
  return {
    "kvasir.ui.ask": () => ask(server),
    "kvasir.ui.askNew": () => ask(server, { new: true }),
    "kvasir.ui.askFile": () => ask(server, { new: true, include: { file: true } }),
    "kvasir.ui.askProject": () => ask(server, { new: true, include: { project: true } }),
    "kvasir.ui.fork": () => fork(server),
    "kvasir.ui.retry": () => retry(server),
    "kvasir.ui.send": () => send(server),
    "kvasir.ui.cancel": () => server.execute("kvasir.cancel", {}),
    "kvasir.ui.open": () => openChat(server),
    "kvasir.ui.model": () => switchModel(server),
    "kvasir.ui.warmup": () => server.execute("kvasir.warmup", here()),
    "kvasir.ui.menu": () => menu(),
    "kvasir.ui.status": () => status(server),
    "kvasir.ui.settings": () => commands.executeCommand("workbench.action.openSettings", "@ext:kvasir.kvasir"),
    "kvasir.ui.log": () => server.showLog(),
    "kvasir.ui.restart": () => server.restart(),
  };
}

/** Where this editor does it in its own way. */
function middleware(saving: Saving): Middleware {
  return {
    window: {
      showDocument: async ({ uri }) => {
        await show(Uri.parse(uri));
        return { success: true };
      },
    },
    didSave: async (document, next) => {
      if (saving.isTold(document)) await next(document);
    },
    // The light bulb asks at each move of the cursor; what is selected is told by kvasir/selection.
    provideCodeActions: (document, range, context, token, next) =>
      context.triggerKind === CodeActionTriggerKind.Automatic ? [] : next(document, range, context, token),
    // The status bar shows it.
    handleWorkDoneProgress: () => {},
  };
}

function markContext(): void {
  const editor = window.activeTextEditor;
  void commands.executeCommand("setContext", "kvasir.chat", editor !== undefined && isChat(editor.document));
}
