// The status bar: what the model is doing now, and a click that stops it.
import { commands, type Disposable, StatusBarAlignment, window } from "vscode";
import { AUTOMATIC, type State } from "./protocol";

const FINAL = new Set(["done", "error", "cancelled"]);

export class StatusBar implements Disposable {
  private readonly item = window.createStatusBarItem("kvasir.status", StatusBarAlignment.Left);
  private readonly busy = new Set<string>();

  constructor() {
    this.item.name = "Kvasir";
    this.running(false);
    this.item.show();
  }

  running(isRunning: boolean): void {
    this.busy.clear();
    this.show(isRunning ? "$(comment-discussion) Kvasir" : "$(error) Kvasir: not running");
  }

  tell(state: State): void {
    if (state.job === AUTOMATIC) {
      if (this.busy.size > 0) return; // an answer says more
    } else if (FINAL.has(state.phase)) {
      this.busy.delete(state.job);
    } else {
      this.busy.add(state.job);
    }
    this.show(words(state), state.message);
  }

  dispose(): void {
    this.item.dispose();
  }

  private show(text: string, more = ""): void {
    const isBusy = this.busy.size > 0;
    this.item.text = text;
    this.item.tooltip = `${more ? `${more}\n` : ""}${isBusy ? "Click to stop" : "Click for what Kvasir can do"}`;
    this.item.command = isBusy ? "kvasir.ui.cancel" : "kvasir.ui.menu";
    void commands.executeCommand("setContext", "kvasir.busy", isBusy);
  }
}

function words(state: State): string {
  switch (state.phase) {
    case "queued":
      return "$(loading~spin) Kvasir: waiting";
    case "loading":
      return "$(loading~spin) Kvasir: loading the model";
    case "warming":
      return `$(flame) Kvasir: warming ${percent(state)}`;
    case "prefill":
      return `$(loading~spin) Kvasir: reading ${percent(state)}`;
    case "generating":
      return `$(loading~spin) Kvasir: ${state.tps ? `${Math.round(state.tps)} tokens/s` : "answering"}`;
    case "done":
      return state.job === AUTOMATIC ? "$(flame) Kvasir: warm" : `$(check) Kvasir: ${numbers(state)}`;
    case "error":
      return state.job === AUTOMATIC ? "$(comment-discussion) Kvasir" : "$(warning) Kvasir: failed";
    case "cancelled":
      return state.job === AUTOMATIC ? "$(comment-discussion) Kvasir" : "$(circle-slash) Kvasir: stopped";
  }
}

function percent({ doneTokens = 0, promptTokens = 0 }: State): string {
  return `${Math.floor((100 * doneTokens) / Math.max(1, promptTokens))} %`;
}

function numbers({ promptTokens, cachedTokens, tps }: State): string {
  if (promptTokens === undefined || cachedTokens === undefined) return "done";
  const read = `${cachedTokens} cached + ${promptTokens - cachedTokens} new`;
  return tps ? `${read} · ${Math.round(tps)} tokens/s` : read;
}
