// Saving a chat sends what was typed in it, if it was the person who saved.
import { type Disposable, type TextDocument, TextDocumentSaveReason, workspace } from "vscode";
import { isChat } from "./chat";

export class Saving implements Disposable {
  private readonly reasons = new Map<string, TextDocumentSaveReason>();
  private readonly ours = new Set<string>();
  private readonly listener = workspace.onWillSaveTextDocument(({ document, reason }) => {
    this.reasons.set(document.uri.toString(), reason);
  });

  /** Whether the server hears of a save: an automatic one would send a question that is half typed. */
  isTold(document: TextDocument): boolean {
    const uri = document.uri.toString();
    const reason = this.reasons.get(uri);
    // Automatic saves after a short delay are not announced.
    this.reasons.delete(uri);
    return !isChat(document) || (reason === TextDocumentSaveReason.Manual && !this.ours.has(uri));
  }

  /** Saves without sending. */
  async save(document: TextDocument): Promise<void> {
    const uri = document.uri.toString();
    this.ours.add(uri);
    try {
      await document.save();
    } finally {
      this.ours.delete(uri);
    }
  }

  dispose(): void {
    this.listener.dispose();
  }
}
