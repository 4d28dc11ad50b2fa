// The connection with Kvasir's server: it is started, watched and started again here.
import { commands, type Disposable, EventEmitter, type ExtensionContext, window } from "vscode";
import {
  CloseAction,
  type ErrorHandler,
  ExecuteCommandRequest,
  LanguageClient,
  type LanguageClientOptions,
  type Middleware,
  State as Connection,
} from "vscode-languageclient/node";
import { present } from "./chat";
import { find } from "./program";
import { type Argument, type Delta, PROTOCOL, type State } from "./protocol";
import { command, forServer, isVirtual } from "./settings";

export const WALKTHROUGH = "kvasir.kvasir#kvasir.begin";

export class Server implements Disposable {
  private readonly states = new EventEmitter<State>();
  private readonly deltas = new EventEmitter<Delta>();
  private readonly runs = new EventEmitter<boolean>();
  readonly onState = this.states.event;
  readonly onDelta = this.deltas.event;
  /** Tells whether the server runs, whenever that changes. */
  readonly onRunning = this.runs.event;
  private readonly log = window.createOutputChannel("Kvasir", { log: true });
  private client: LanguageClient | undefined;
  private changing: Promise<void> = Promise.resolve();

  constructor(
    private readonly context: ExtensionContext,
    private readonly middleware: Middleware,
  ) {}

  /** Starts the server, or starts it again with the settings as they are now. */
  restart(): Promise<void> {
    this.changing = this.changing.then(async () => {
      await this.stop();
      await this.start();
    });
    return this.changing;
  }

  /** Runs a command of the server. What it refuses is told to the person, and gives undefined. */
  async execute<Reply>(name: string, argument: Argument, words = ""): Promise<Reply | undefined> {
    if (!this.client?.isRunning()) {
      this.tellStopped();
      return undefined;
    }
    const given = words ? [argument, words] : [argument];
    try {
      const reply = await this.client.sendRequest(ExecuteCommandRequest.type, { command: name, arguments: given });
      await present(reply);
      return reply;
    } catch (error) {
      void window.showErrorMessage(`Kvasir: ${error instanceof Error ? error.message : String(error)}`);
      return undefined;
    }
  }

  /** Tells the server something that it may use or not. */
  notify(method: string, params: object): void {
    if (this.client?.isRunning()) void this.client.sendNotification(method, params);
  }

  showLog(): void {
    this.log.show(true);
  }

  async dispose(): Promise<void> {
    await this.stop();
    this.log.dispose();
  }

  private async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client?.needsStop()) await client.stop();
    await client?.dispose();
    this.runs.fire(false);
  }

  private async start(): Promise<void> {
    const [name = "kvasir", ...words] = command();
    const program = find(name);
    if (!program) return this.tellMissing(name);
    const client = new LanguageClient(
      "kvasir",
      "Kvasir",
      { command: program, args: [...words, "lsp"] },
      this.options(),
    );
    this.client = client;
    client.onDidChangeState(({ newState }) => this.runs.fire(newState === Connection.Running));
    client.onNotification("kvasir/state", (state: State) => this.states.fire(state));
    client.onNotification("kvasir/delta", (delta: Delta) => this.deltas.fire(delta));
    try {
      await client.start();
    } catch (error) {
      this.log.error(`Kvasir did not start: ${String(error)}`);
      return;
    }
    this.greet(client);
  }

  private options(): LanguageClientOptions {
    const { version, contributes } = this.context.extension.packageJSON;
    const sections: { properties: object }[] = contributes.configuration;
    const properties = sections.flatMap((section) => Object.keys(section.properties));
    const settings = () => forServer(properties);
    // Virtual documents are the client's own business: the server refreshes them.
    const features = ["state", "selection", "open", ...(isVirtual() ? [] : ["delta"])];
    const announced = { name: "kvasir-vscode", version, protocol: PROTOCOL, features };
    return {
      // Every language: a question can be about any file.
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }],
      outputChannel: this.log,
      initializationOptions: () => ({ kvasir: { client: announced, settings: settings() } }),
      synchronize: { configurationSection: "kvasir" },
      errorHandler: this.watch(),
      middleware: {
        ...this.middleware,
        executeCommand: async (name, given, next) => present(await next(name, given)),
        workspace: {
          configuration: ({ items }) => items.map(() => settings()),
        },
      },
    };
  }

  /** The client's own policy, in words of ours: start again, but not for ever. */
  private watch(): ErrorHandler {
    let usual: ErrorHandler | undefined;
    const policy = () => (usual ??= this.client?.createDefaultErrorHandler() as ErrorHandler);
    return {
      error: (...trouble) => policy().error(...trouble),
      closed: async () => {
        const decided = await policy().closed();
        if (decided.action === CloseAction.Restart) {
          void window.showWarningMessage(
            "Kvasir's server ended unexpectedly and is started again. What was answered is kept.",
          );
        }
        return decided;
      },
    };
  }

  private greet(client: LanguageClient): void {
    const said = client.initializeResult?.capabilities.experimental?.kvasir;
    if (said?.protocol === PROTOCOL) return;
    const older = said?.protocol > PROTOCOL ? "extension" : "program";
    void window.showWarningMessage(
      `This Kvasir and its VS Code extension are of different ages: update the ${older}. ` +
        `(The program speaks protocol ${said?.protocol ?? 0}, the extension ${PROTOCOL}.)`,
    );
  }

  private tellMissing(name: string): void {
    this.runs.fire(false);
    void this.offer(`Kvasir is not installed, or "${name}" is not on the PATH of VS Code.`, {
      "How to Install": () => commands.executeCommand("workbench.action.openWalkthrough", WALKTHROUGH),
      "Open Settings": () => commands.executeCommand("workbench.action.openSettings", "kvasir.command"),
      "Try Again": () => this.restart(),
    });
  }

  private tellStopped(): void {
    void this.offer("Kvasir's server does not run.", {
      Start: () => this.restart(),
      "Show Log": () => this.showLog(),
    });
  }

  private async offer(message: string, choices: Record<string, () => unknown>): Promise<void> {
    const chosen = await window.showErrorMessage(message, ...Object.keys(choices));
    if (chosen) await choices[chosen]?.();
  }
}
