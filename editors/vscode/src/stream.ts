// An answer grows in its chat document while the person does something else.
import {
  type Disposable,
  Range,
  type TextDocument,
  TextEdit,
  Uri,
  window,
  workspace,
  WorkspaceEdit,
} from "vscode";
import { tabbed } from "./chat";
import { Follower } from "./follow";
import type { Delta } from "./protocol";
import type { Saving } from "./saving";

const PAUSE_MS = 125;
const REST_MS = 1000;
const MOST_TRIES = 20;
const STOP = /<!-- kv stop (\w+) -->\s*$/;

/** The answer that a document waits for: lines of its heading and of the line that stops it. */
interface Place {
  turn: string;
  heading: number;
  stop: number;
}

/** How much of an answer (in code points, as the server counts) its document has. */
interface Written {
  turn: string;
  at: number;
}

/** What has come of an answer, from its code point `from` on. */
interface Answer {
  job: string;
  from: number;
  text: string[];
  mark?: string;
  /** Something came that is not in the document yet. */
  isNew: boolean;
  isDraining: boolean;
}

export class Stream implements Disposable {
  private readonly answers = new Map<string, Answer>();
  private readonly written = new WeakMap<TextDocument, Written>();
  private readonly restsUntil = new WeakMap<TextDocument, number>();
  private readonly follower = new Follower();
  private readonly listeners = [
    workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
      if (contentChanges.length > 0 && !document.isDirty) this.readAgain(document);
    }),
    workspace.onDidOpenTextDocument((document) => this.readAgain(document)),
  ];

  constructor(private readonly saving: Saving) {}

  /** Takes a part of an answer; it is in the document within the next moments. */
  add(delta: Delta): void {
    const uri = Uri.parse(delta.uri).toString();
    const answer = this.answerOf(uri, delta);
    const end = answer.from + answer.text.length;
    if (delta.at > end) return; // comes again: the server is told of each document that is opened
    if (delta.kind === "mark") answer.mark = delta.text;
    else answer.text = answer.text.concat([...delta.text].slice(end - delta.at));
    this.wake(uri, answer);
  }

  dispose(): void {
    this.listeners.forEach((listener) => listener.dispose());
    this.follower.dispose();
  }

  private answerOf(uri: string, { job, at }: Delta): Answer {
    const known = this.answers.get(uri);
    if (known?.job === job && known.from <= at) return known;
    const answer = { job, from: at, text: [], isNew: false, isDraining: false };
    this.answers.set(uri, answer);
    return answer;
  }

  private wake(uri: string, answer: Answer): void {
    answer.isNew = true;
    if (!answer.isDraining) void this.drain(uri, answer);
  }

  private async drain(uri: string, answer: Answer): Promise<void> {
    answer.isDraining = true;
    while (answer.isNew && this.answers.get(uri) === answer) {
      // Without a tab it is closed, or about to be, and then the server's to write: an edit would open it again.
      const document = tabbed(uri);
      if (!document || !this.rests(document)) {
        answer.isNew = false;
        if (document) await this.write(document, answer);
        if (answer.mark !== undefined && !answer.isNew) this.answers.delete(uri);
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    answer.isDraining = false;
  }

  private async write(document: TextDocument, answer: Answer): Promise<void> {
    // A try fails when the document was changed at the same moment: by the person, or because it was read again.
    for (let tries = 0; tries < MOST_TRIES && !document.isClosed && !this.rests(document); tries++) {
      const place = placeIn(document);
      if (!place) return; // deleted by the person: the server stops
      const before = this.known(document, place);
      if (before.at < answer.from) return;
      const { mark } = answer;
      const text = answer.text.slice(before.at - answer.from);
      const edits = [...appended(document, place, text.join("")), ...closed(document, place, mark)];
      const isFirst = !this.follower.isFollowing(document);
      if (isFirst) this.follower.follow(document);
      if (edits.length === 0) return;
      if (!(await apply(document, edits, isFirst))) continue;
      if (this.written.get(document) !== before) return;
      this.written.set(document, { turn: place.turn, at: before.at + text.length });
      this.follower.reveal(document);
      if (mark !== undefined) await this.end(document);
      return;
    }
  }

  private rests(document: TextDocument): boolean {
    return (this.restsUntil.get(document) ?? 0) > Date.now();
  }

  private known(document: TextDocument, place: Place): Written {
    const known = this.written.get(document);
    if (known?.turn === place.turn) return known;
    const text = document.getText(new Range(place.heading + 2, 0, place.stop - 1, 0)).replaceAll("\r\n", "\n");
    const counted = { turn: place.turn, at: [...text.replace(/\n$/, "")].length };
    this.written.set(document, counted);
    return counted;
  }

  /** It has what it has on the disk. An edit at once would keep open what is being closed, and would not fit to
   * what the server wrote at this moment, which is read again soon: that waits. */
  private readAgain(document: TextDocument): void {
    const uri = document.uri.toString();
    const answer = this.answers.get(uri);
    if (!answer) return;
    this.written.delete(document);
    this.restsUntil.set(document, Date.now() + REST_MS);
    this.wake(uri, answer);
  }

  private async end(document: TextDocument): Promise<void> {
    this.written.delete(document);
    this.follower.leave(document);
    await this.saving.save(document);
  }
}

function placeIn(document: TextDocument): Place | undefined {
  for (let stop = document.lineCount - 1; stop > 2; stop--) {
    const turn = STOP.exec(document.lineAt(stop).text)?.[1];
    if (turn === undefined) continue;
    for (let heading = stop - 3; heading >= 0; heading--) {
      if (document.lineAt(heading).text.startsWith(`## Kvasir <!-- kv ${turn}`)) return { turn, heading, stop };
    }
  }
  return undefined;
}

/** Answers end two lines above their stop line. */
function appended(document: TextDocument, { stop }: Place, text: string): TextEdit[] {
  return text ? [TextEdit.insert(document.lineAt(stop - 2).range.end, text)] : [];
}

function closed(document: TextDocument, { stop }: Place, mark: string | undefined): TextEdit[] {
  return mark === undefined ? [] : [TextEdit.replace(document.lineAt(stop).range, mark.replace(/\n$/, ""))];
}

/** Changes a document if it is still as it was. On the screen an answer is one step of undo. */
async function apply(document: TextDocument, edits: TextEdit[], isFirst: boolean): Promise<boolean> {
  const editor = window.visibleTextEditors.find((one) => one.document === document);
  if (!editor) {
    const all = new WorkspaceEdit();
    all.set(document.uri, edits);
    return workspace.applyEdit(all);
  }
  const undo = { undoStopBefore: isFirst, undoStopAfter: false };
  try {
    return await editor.edit((builder) => edits.forEach((edit) => builder.replace(edit.range, edit.newText)), undo);
  } catch {
    return false; // its view was closed meanwhile
  }
}
