// @vitest-environment jsdom
import { render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { toolWords } from "@/components/ChatPanel";
import { summary } from "@/components/TaskPanel";
import { initials, Workspace } from "@/components/Workspace";
import { session } from "@/lib/session";
import { newestFirst } from "@/lib/useTasks";

import { fakeApi, logIn, task, type Answer } from "./fake-api";

const { replace } = vi.hoisted(() => ({ replace: vi.fn() }));
vi.mock("next/navigation", () => {
  const router = { replace };
  return { useRouter: () => router };
});

beforeEach(() => {
  replace.mockClear();
});

const LIST = [task("1", "Paint the hull"), task("2", "Book the dock"), task("3", "Buy rope", true)];

async function open(routes: Parameters<typeof fakeApi>[0] = {}) {
  logIn();
  const calls = fakeApi({ "GET /api/tasks": { body: LIST }, ...routes });
  const user = userEvent.setup();
  render(<Workspace />);
  await waitFor(() => expect(screen.queryByTestId("tasks-loading")).not.toBeInTheDocument());
  return { calls, user };
}

const titles = () => screen.queryAllByTestId("task-title").map((element) => element.textContent);

function row(title: string) {
  const item = screen.getAllByTestId("task-item").find((element) => element.textContent.includes(title));
  if (!item) {
    throw new Error(`No task “${title}” on the screen`);
  }
  return within(item);
}

describe("the door", () => {
  it("sends whoever is not logged in to the log-in page and asks for nothing", async () => {
    const calls = fakeApi({});
    render(<Workspace />);
    await waitFor(() => expect(replace).toHaveBeenCalledWith("/login"));
    expect(calls).toHaveLength(0);
  });

  it("ends the session on logging out", async () => {
    const { user } = await open();
    expect(screen.getByTestId("user-name")).toHaveTextContent("Ada Lovelace");
    await user.click(screen.getByTestId("logout"));
    expect(session.get()).toBeNull();
    expect(replace).toHaveBeenCalledWith("/login");
    expect(screen.queryByTestId("task-item")).not.toBeInTheDocument();
  });

  it("closes when the token is no longer accepted", async () => {
    await open({ "GET /api/tasks": { status: 401, body: {} } });
    await waitFor(() => expect(replace).toHaveBeenCalledWith("/login"));
    expect(session.hasExpired()).toBe(true);
  });
});

describe("the list", () => {
  it("shows a skeleton, then the tasks and their counts", async () => {
    logIn();
    let finish: (answer: Answer) => void = () => undefined;
    fakeApi({ "GET /api/tasks": () => new Promise<Answer>((resolve) => (finish = resolve)) });
    render(<Workspace />);
    expect(screen.getByTestId("tasks-loading")).toBeInTheDocument();
    finish({ body: LIST });
    expect(await screen.findAllByTestId("task-item")).toHaveLength(3);
    expect(screen.getByTestId("task-summary")).toHaveTextContent("2 to do, 1 done.");
    expect(screen.getByTestId("filter-all")).toHaveTextContent("All 3");
    expect(screen.getByTestId("filter-pending")).toHaveTextContent("To do 2");
    expect(screen.getByTestId("filter-completed")).toHaveTextContent("Done 1");
  });

  it("says what to do when it is empty", async () => {
    await open({ "GET /api/tasks": { body: [] } });
    expect(screen.getByTestId("tasks-empty")).toHaveTextContent("Write your first task");
  });

  it("can be filtered", async () => {
    const { user } = await open();
    await user.click(screen.getByTestId("filter-completed"));
    expect(titles()).toEqual(["Buy rope"]);
    await user.click(screen.getByTestId("filter-pending"));
    expect(titles()).toEqual(["Book the dock", "Paint the hull"]);
    expect(screen.getByTestId("filter-pending")).toHaveAttribute("aria-pressed", "true");
  });

  it("says so when a filter leaves nothing", async () => {
    const { user } = await open({ "GET /api/tasks": { body: [task("1", "One")] } });
    await user.click(screen.getByTestId("filter-completed"));
    expect(screen.getByTestId("tasks-empty")).toHaveTextContent("Nothing finished yet");
  });

  it("says when it cannot be loaded, and loads it on demand", async () => {
    let away = true;
    const { user } = await open({
      "GET /api/tasks": () => (away ? { status: 502, body: { detail: "The service cannot be reached right now." } } : { body: LIST }),
    });
    expect(await screen.findByTestId("error")).toHaveTextContent("The service cannot be reached right now.");
    expect(screen.queryByTestId("tasks-empty")).not.toBeInTheDocument();
    away = false;
    await user.click(screen.getByTestId("retry"));
    expect(await screen.findAllByTestId("task-item")).toHaveLength(3);
    expect(screen.queryByTestId("error")).not.toBeInTheDocument();
  });
});

describe("a task", () => {
  it("is added at the top, from the keyboard, and the field is ready for the next", async () => {
    const { calls, user } = await open({ "POST /api/tasks": { status: 201, body: task("4", "Scrape the keel") } });
    await user.type(screen.getByTestId("new-task"), "  Scrape the keel {Enter}");
    await waitFor(() => expect(titles()[0]).toBe("Scrape the keel"));
    expect(calls.at(-1)?.body).toEqual({ title: "Scrape the keel" });
    await waitFor(() => expect(screen.getByTestId("new-task")).toHaveValue(""));
    expect(screen.getByTestId("new-task")).toHaveFocus();
    expect(screen.getByTestId("announcement")).toHaveTextContent("Added “Scrape the keel”.");
  });

  it("is not added when it has no title", async () => {
    const { calls, user } = await open();
    await user.type(screen.getByTestId("new-task"), "   ");
    await user.click(screen.getByTestId("add-task"));
    expect(calls).toHaveLength(1);
  });

  it("that could not be added stays in the field, with the reason", async () => {
    const { user } = await open({ "POST /api/tasks": new TypeError("Failed to fetch") });
    await user.type(screen.getByTestId("new-task"), "Lost?{Enter}");
    expect(await screen.findByTestId("error")).toHaveTextContent("The server cannot be reached.");
    expect(screen.getByTestId("new-task")).toHaveValue("Lost?");
    await user.click(screen.getByRole("button", { name: "Dismiss" }));
    expect(screen.queryByTestId("error")).not.toBeInTheDocument();
  });

  it("is completed and opened again", async () => {
    const { calls, user } = await open({
      "POST /api/tasks/1/complete": { body: task("1", "Paint the hull", true) },
      "PATCH /api/tasks/1": { body: task("1", "Paint the hull") },
    });
    const tick = row("Paint the hull").getByRole("checkbox", { name: "Done: Paint the hull" });
    await user.click(tick);
    await waitFor(() => expect(screen.getByTestId("task-summary")).toHaveTextContent("1 to do, 2 done."));
    expect(tick).toBeChecked();
    await waitFor(() => expect(tick).toBeEnabled());
    await user.click(tick);
    await waitFor(() => expect(tick).not.toBeChecked());
    expect(calls.at(-1)).toMatchObject({ method: "PATCH", body: { completed: false } });
  });

  it("is not shown as completed when the server refuses", async () => {
    const { user } = await open({ "POST /api/tasks/1/complete": { status: 500, body: { detail: "Broken." } } });
    await user.click(row("Paint the hull").getByTestId("task-complete"));
    expect(await screen.findByTestId("error")).toHaveTextContent("Broken.");
    expect(row("Paint the hull").getByTestId("task-complete")).not.toBeChecked();
  });

  it("gets another title", async () => {
    const { calls, user } = await open({ "PATCH /api/tasks/1": { body: task("1", "Paint the deck") } });
    await user.click(row("Paint the hull").getByTestId("task-edit"));
    const field = screen.getByTestId("task-title-input");
    expect(field).toHaveFocus();
    await user.clear(field);
    await user.type(field, "Paint the deck{Enter}");
    await waitFor(() => expect(titles()).toContain("Paint the deck"));
    expect(calls.at(-1)?.body).toEqual({ title: "Paint the deck" });
    expect(row("Paint the deck").getByTestId("task-edit")).toHaveFocus();
  });

  it("keeps its title on Escape", async () => {
    const { calls, user } = await open();
    await user.click(row("Paint the hull").getByTestId("task-edit"));
    await user.type(screen.getByTestId("task-title-input"), " not{Escape}");
    expect(titles()).toContain("Paint the hull");
    expect(calls).toHaveLength(1);
  });

  it("keeps the draft when renaming fails", async () => {
    const { user } = await open({ "PATCH /api/tasks/1": { status: 422, body: { detail: "Too odd." } } });
    await user.click(row("Paint the hull").getByTestId("task-edit"));
    await user.type(screen.getByTestId("task-title-input"), "!{Enter}");
    expect(await screen.findByTestId("error")).toHaveTextContent("Too odd.");
    expect(screen.getByTestId("task-title-input")).toHaveValue("Paint the hull!");
  });

  it("is deleted, and the focus goes to its neighbour", async () => {
    const { user } = await open({ "DELETE /api/tasks/1": { status: 204 } });
    await user.click(row("Paint the hull").getByTestId("task-delete"));
    await waitFor(() => expect(titles()).toEqual(["Buy rope", "Book the dock"]));
    await waitFor(() => expect(row("Book the dock").getByTestId("task-delete")).toHaveFocus());
  });

  it("that is gone already is explained, and the list read again", async () => {
    let gone = false;
    const { user } = await open({
      "GET /api/tasks": () => ({ body: gone ? LIST.slice(1) : LIST }),
      "DELETE /api/tasks/1": () => {
        gone = true;
        return { status: 404, body: { detail: "Not found" } };
      },
    });
    await user.click(row("Paint the hull").getByTestId("task-delete"));
    expect(await screen.findByTestId("error")).toHaveTextContent("That task is gone.");
    await waitFor(() => expect(titles()).toEqual(["Buy rope", "Book the dock"]));
  });
});

describe("the assistant", () => {
  const reply = (text: string, tools: string[] = []): Answer => ({
    body: { conversation_id: "c-1", reply: text, tool_calls: tools.map((name) => ({ name, arguments: {}, result: null })) },
  });

  it("answers, and the list is read again when it used a tool", async () => {
    let added = false;
    const { calls, user } = await open({
      "GET /api/tasks": () => ({ body: added ? [task("9", "Buy tar"), ...LIST] : LIST }),
      "POST /api/chat": () => {
        added = true;
        return reply("Done.", ["add_task"]);
      },
    });
    await user.type(screen.getByTestId("chat-input"), "Add a task to buy tar{Enter}");
    await waitFor(() => expect(titles()).toContain("Buy tar"));
    const messages = screen.getAllByTestId("chat-message");
    expect(messages.map((message) => message.dataset.role)).toEqual(["user", "assistant"]);
    expect(messages[1]).toHaveTextContent("Done.");
    expect(screen.getByTestId("chat-tool")).toHaveTextContent("Added a task");
    expect(calls.filter((call) => call.path === "/api/tasks")).toHaveLength(2);
  });

  it("leaves the list alone when it only talked", async () => {
    const { calls, user } = await open({ "POST /api/chat": reply("Hello, Ada.") });
    await user.type(screen.getByTestId("chat-input"), "Hello");
    await user.click(screen.getByTestId("chat-send"));
    expect(await screen.findByText("Hello, Ada.")).toBeInTheDocument();
    expect(calls.filter((call) => call.path === "/api/tasks")).toHaveLength(1);
  });

  it("goes on with the conversation, and starts another on demand", async () => {
    const { calls, user } = await open({ "POST /api/chat": reply("Yes.") });
    const say = async (text: string, count: number) => {
      await user.type(screen.getByTestId("chat-input"), `${text}{Enter}`);
      await waitFor(() => expect(screen.getAllByTestId("chat-message")).toHaveLength(count));
      await waitFor(() => expect(screen.queryByTestId("chat-waiting")).not.toBeInTheDocument());
    };
    await say("One", 2);
    await say("Two", 4);
    await user.click(screen.getByTestId("chat-new"));
    await say("Three", 2);
    expect(calls.filter((call) => call.path === "/api/chat").map((call) => call.body)).toEqual([
      { message: "One" },
      { message: "Two", conversation_id: "c-1" },
      { message: "Three" },
    ]);
  });

  it("shows that it thinks, and takes no second message meanwhile", async () => {
    let finish: (answer: Answer) => void = () => undefined;
    const { calls, user } = await open({ "POST /api/chat": () => new Promise<Answer>((resolve) => (finish = resolve)) });
    await user.type(screen.getByTestId("chat-input"), "Hello{Enter}");
    expect(screen.getByTestId("chat-waiting")).toBeInTheDocument();
    await user.type(screen.getByTestId("chat-input"), "Again{Enter}");
    expect(screen.getByTestId("chat-input")).toHaveValue("Again");
    expect(calls.filter((call) => call.path === "/api/chat")).toHaveLength(1);
    finish(reply("Here."));
    expect(await screen.findByText("Here.")).toBeInTheDocument();
  });

  it("says when it cannot answer, and is asked the same again on demand", async () => {
    let away = true;
    const { calls, user } = await open({ "POST /api/chat": () => (away ? { status: 504, body: "" } : reply("Now.")) });
    await user.type(screen.getByTestId("chat-input"), "Hello{Enter}");
    expect(await screen.findByTestId("error")).toHaveTextContent("The service is not available right now.");
    away = false;
    await user.click(screen.getByTestId("retry"));
    expect(await screen.findByText("Now.")).toBeInTheDocument();
    expect(screen.getAllByTestId("chat-message")).toHaveLength(2);
    expect(calls.at(-1)?.body).toEqual({ message: "Hello" });
  });

  it("starts a new line with Shift and Enter", async () => {
    const { user } = await open();
    await user.type(screen.getByTestId("chat-input"), "One{Shift>}{Enter}{/Shift}Two");
    expect(screen.getByTestId("chat-input")).toHaveValue("One\nTwo");
  });

  it("shows a reply as text, whatever is in it", async () => {
    const { user } = await open({ "POST /api/chat": reply("<img src=x onerror=alert(1)>") });
    await user.click(screen.getAllByTestId("chat-suggestion")[0] as HTMLElement);
    expect(await screen.findByText("<img src=x onerror=alert(1)>")).toBeInTheDocument();
    expect(document.querySelector("img")).toBeNull();
  });
});

describe("the order of the list", () => {
  it("is newest first, and the API's reversed where the times are equal", () => {
    const twin = { ...task("2", "Twin"), id: "2b" };
    expect(newestFirst([task("1", "Old"), task("2", "New"), twin]).map((item) => item.id)).toEqual(["2b", "2", "1"]);
  });
});

describe("small words", () => {
  it.each([
    [0, 0, "A clean slate."],
    [0, 1, "Your one task is done."],
    [0, 3, "All 3 tasks are done."],
    [2, 1, "2 to do, 1 done."],
  ])("for %i to do and %i done", (pending, completed, expected) => {
    expect(summary(pending, completed)).toBe(expected);
  });

  it.each([
    ["Ada Lovelace", "AL"],
    ["Ada", "A"],
    ["", "A"],
    [null, "A"],
    ["Änne von der Mark", "ÄV"],
  ])("for the person %j: %j", (name, expected) => {
    expect(initials({ id: "1", email: "ada@example.com", name })).toBe(expected);
  });

  it("for tools", () => {
    expect(toolWords({ name: "complete_task" })).toBe("Completed a task");
    expect(toolWords({ name: "count_open_tasks" })).toBe("count open tasks");
  });
});
