// A view at the end of a growing document stays there; one that is elsewhere is left alone.
import { type Disposable, Position, Range, type TextDocument, type TextEditor, window } from "vscode";

interface Followed {
  /** The last line that was revealed. */
  line: number;
  /** The editors that are at it, with the first position that they show. */
  tops: Map<TextEditor, Position>;
}

export class Follower implements Disposable {
  private readonly followed = new Map<TextDocument, Followed>();
  private readonly listener = window.onDidChangeTextEditorVisibleRanges(({ textEditor }) => this.scrolled(textEditor));

  isFollowing(document: TextDocument): boolean {
    return this.followed.has(document);
  }

  /** From now on, views at the end stay there. */
  follow(document: TextDocument): void {
    const line = document.lineCount - 1;
    const editors = editorsOf(document).filter((editor) => lastOf(editor) >= line);
    this.followed.set(document, { line, tops: new Map(editors.map((editor) => [editor, topOf(editor)])) });
  }

  /** The document has grown. */
  reveal(document: TextDocument): void {
    const followed = this.followed.get(document);
    if (!followed) return;
    followed.line = document.lineCount - 1;
    const end = new Range(followed.line, 0, followed.line, 0);
    for (const editor of editorsOf(document)) if (followed.tops.has(editor)) editor.revealRange(end);
  }

  leave(document: TextDocument): void {
    this.followed.delete(document);
  }

  dispose(): void {
    this.listener.dispose();
  }

  /** Growth pushes the end out of sight, too; but only a person moves upwards. */
  private scrolled(editor: TextEditor): void {
    const followed = this.followed.get(editor.document);
    if (!followed) return;
    const before = followed.tops.get(editor);
    if (lastOf(editor) >= followed.line) followed.tops.set(editor, topOf(editor));
    else if (before && topOf(editor).isBefore(before)) followed.tops.delete(editor);
  }
}

function editorsOf(document: TextDocument): TextEditor[] {
  return window.visibleTextEditors.filter((editor) => editor.document === document);
}

function topOf(editor: TextEditor): Position {
  return editor.visibleRanges[0]?.start ?? new Position(0, 0);
}

/** The last line that can be seen; of an editor that is not drawn yet, any. */
function lastOf(editor: TextEditor): number {
  return editor.visibleRanges.at(-1)?.end.line ?? Infinity;
}
