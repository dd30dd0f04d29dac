"use client";

import { useEffect, useRef, useState, type SyntheticEvent, type KeyboardEvent } from "react";

import { CheckIcon, Mark, SendIcon } from "@/components/icons";
import { ErrorNotice } from "@/components/Notice";
import { api, explain, type Problem } from "@/lib/api";
import type { ChatAnswer, ToolCall } from "@/lib/types";

interface Message {
  id: number;
  role: "user" | "assistant";
  text: string;
  tools: string[];
}

/** Longest message the API takes. */
const MAX_MESSAGE = 4_000;

const SUGGESTIONS = ["Add a task to water the plants", "What is on my list?", "Show what I have completed"];

const TOOL_WORDS: Record<string, string> = {
  add_task: "Added a task",
  create_task: "Added a task",
  list_tasks: "Read the list",
  get_task: "Read a task",
  complete_task: "Completed a task",
  update_task: "Changed a task",
  delete_task: "Deleted a task",
};

/** A tool's name as a person would say it; tools that are not known keep their own name, made readable. */
export function toolWords(tool: Pick<ToolCall, "name">): string {
  return TOOL_WORDS[tool.name] ?? tool.name.replaceAll("_", " ");
}

/** The conversation with the assistant. */
export function ChatPanel({ onTasksChanged }: { onTasksChanged: () => Promise<void> }) {
  const [messages, setMessages] = useState<Message[]>([]);
  const [draft, setDraft] = useState("");
  const [waiting, setWaiting] = useState(false);
  const [failure, setFailure] = useState<{ text: string; problem: Problem } | null>(null);
  const conversation = useRef<ChatAnswer["conversation_id"] | null>(null);
  const nextId = useRef(0);
  const end = useRef<HTMLDivElement>(null);
  const input = useRef<HTMLTextAreaElement>(null);

  useEffect(() => {
    const scroller = end.current?.parentElement;
    if (scroller) {
      scroller.scrollTop = scroller.scrollHeight;
    }
  }, [messages, waiting, failure]);

  function show(role: Message["role"], text: string, tools: string[] = []) {
    const id = nextId.current++;
    setMessages((before) => [...before, { id, role, text, tools }]);
  }

  async function ask(text: string) {
    setFailure(null);
    setWaiting(true);
    try {
      const answer = await api.chat(text, conversation.current);
      conversation.current = answer.conversation_id;
      const tools = answer.tool_calls;
      show("assistant", answer.reply, tools.map(toolWords));
      if (tools.length > 0) {
        await onTasksChanged();
      }
    } catch (error) {
      setFailure({ text, problem: explain(error) });
    } finally {
      setWaiting(false);
    }
  }

  function send(text: string) {
    const wanted = text.trim();
    if (!wanted || waiting) {
      return;
    }
    setDraft("");
    show("user", wanted);
    void ask(wanted);
    input.current?.focus();
  }

  function submit(event: SyntheticEvent) {
    event.preventDefault();
    send(draft);
  }

  function onKeyDown(event: KeyboardEvent<HTMLTextAreaElement>) {
    // While an input method composes a character, Enter belongs to it.
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) {
      event.preventDefault();
      send(draft);
    }
  }

  function startOver() {
    conversation.current = null;
    setMessages([]);
    setFailure(null);
    input.current?.focus();
  }

  return (
    <section className="panel chat" aria-labelledby="chat-title">
      <header className="panel-head">
        <div>
          <h2 id="chat-title">Assistant</h2>
          <p className="muted">Reads and changes your list.</p>
        </div>
        {messages.length > 0 && (
          <button type="button" className="button button-small" data-testid="chat-new" disabled={waiting} onClick={startOver}>
            New chat
          </button>
        )}
      </header>

      <div className="talk" role="log" aria-label="Conversation" aria-live="polite" tabIndex={0}>
        {messages.length === 0 && (
          <div className="talk-empty">
            <Mark />
            <p>Ask in your own words. For example:</p>
            <ul>
              {SUGGESTIONS.map((text) => (
                <li key={text}>
                  <button type="button" className="chip" data-testid="chat-suggestion" onClick={() => send(text)}>
                    {text}
                  </button>
                </li>
              ))}
            </ul>
          </div>
        )}
        {messages.map((message) => (
          <article key={message.id} className={`message message-${message.role}`} data-testid="chat-message" data-role={message.role}>
            <h3 className="visually-hidden">{message.role === "user" ? "You" : "Assistant"}</h3>
            <p>{message.text}</p>
            {message.tools.length > 0 && (
              <ul className="message-tools" aria-label="What the assistant did">
                {message.tools.map((words, index) => (
                  <li key={index} data-testid="chat-tool">
                    <CheckIcon />
                    {words}
                  </li>
                ))}
              </ul>
            )}
          </article>
        ))}
        {waiting && (
          <div className="message message-assistant typing" data-testid="chat-waiting">
            <span className="visually-hidden">The assistant is thinking…</span>
            <span className="dot" />
            <span className="dot" />
            <span className="dot" />
          </div>
        )}
        {failure && <ErrorNotice problem={failure.problem} onRetry={() => void ask(failure.text)} />}
        <div ref={end} />
      </div>

      <form className="say" onSubmit={submit} aria-label="Write to the assistant">
        <label className="visually-hidden" htmlFor="chat-input">
          Message to the assistant
        </label>
        <textarea
          ref={input}
          id="chat-input"
          data-testid="chat-input"
          rows={1}
          placeholder="Ask or tell the assistant…"
          maxLength={MAX_MESSAGE}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onKeyDown={onKeyDown}
        />
        <button type="submit" className="button button-primary button-round" data-testid="chat-send" aria-label="Send" disabled={waiting || !draft.trim()}>
          <SendIcon />
        </button>
      </form>
    </section>
  );
}
