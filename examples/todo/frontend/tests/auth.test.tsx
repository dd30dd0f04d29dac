// @vitest-environment jsdom
import { render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { beforeEach, describe, expect, it, vi } from "vitest";

import { AuthForm } from "@/components/AuthForm";
import { session } from "@/lib/session";

import { fakeApi, logIn } from "./fake-api";

const { replace } = vi.hoisted(() => ({ replace: vi.fn() }));
vi.mock("next/navigation", () => {
  const router = { replace };
  return { useRouter: () => router };
});

beforeEach(() => {
  replace.mockClear();
});

const ANSWER = { access_token: "t", token_type: "bearer", user: { id: "1", email: "ada@example.com", name: "Ada" } };

describe("the registration form", () => {
  it("creates the account, starts the session and goes on", async () => {
    const calls = fakeApi({ "POST /api/auth/register": { status: 201, body: ANSWER } });
    const user = userEvent.setup();
    render(<AuthForm mode="register" />);
    await user.type(screen.getByTestId("name"), "Ada");
    await user.type(screen.getByTestId("email"), " ada@example.com ");
    await user.type(screen.getByTestId("password"), "correct horse");
    await user.click(screen.getByTestId("submit"));
    await waitFor(() => expect(replace).toHaveBeenCalledWith("/"));
    expect(calls[0]?.body).toEqual({ email: "ada@example.com", password: "correct horse", name: "Ada" });
    expect(session.get()).toEqual({ token: "t", user: ANSWER.user });
  });

  it("leaves an empty name out", async () => {
    const calls = fakeApi({ "POST /api/auth/register": { status: 201, body: ANSWER } });
    const user = userEvent.setup();
    render(<AuthForm mode="register" />);
    await user.type(screen.getByTestId("email"), "ada@example.com");
    await user.type(screen.getByTestId("password"), "correct horse{Enter}");
    await waitFor(() => expect(calls).toHaveLength(1));
    expect(calls[0]?.body).toEqual({ email: "ada@example.com", password: "correct horse" });
  });

  it("says what is wrong before it asks the server, and puts the focus there", async () => {
    const calls = fakeApi({});
    const user = userEvent.setup();
    render(<AuthForm mode="register" />);
    await user.type(screen.getByTestId("email"), "ada@example.com");
    await user.type(screen.getByTestId("password"), "short");
    await user.click(screen.getByTestId("submit"));
    const password = screen.getByLabelText("Password");
    expect(password).toHaveFocus();
    expect(password).toHaveAccessibleDescription("Use at least 8 characters.");
    expect(password).toBeInvalid();
    expect(calls).toHaveLength(0);
  });

  it("shows the server's refusal and keeps what was typed", async () => {
    fakeApi({ "POST /api/auth/register": { status: 409, body: { detail: "An account with this email exists already." } } });
    const user = userEvent.setup();
    render(<AuthForm mode="register" />);
    await user.type(screen.getByTestId("email"), "ada@example.com");
    await user.type(screen.getByTestId("password"), "correct horse");
    await user.click(screen.getByTestId("submit"));
    expect(await screen.findByRole("alert")).toHaveTextContent("An account with this email exists already.");
    expect(screen.getByTestId("email")).toHaveValue("ada@example.com");
    expect(screen.getByTestId("submit")).toBeEnabled();
    expect(session.get()).toBeNull();
  });
});

describe("the log-in form", () => {
  async function logInWith(routes: Parameters<typeof fakeApi>[0]) {
    fakeApi(routes);
    const user = userEvent.setup();
    render(<AuthForm mode="login" />);
    await user.type(screen.getByTestId("email"), "ada@example.com");
    await user.type(screen.getByTestId("password"), "guess");
    await user.click(screen.getByTestId("submit"));
  }

  it("shows a wrong password as what it is", async () => {
    await logInWith({ "POST /api/auth/login": { status: 401, body: { detail: "The email or the password is wrong." } } });
    expect(await screen.findByTestId("error")).toHaveTextContent("The email or the password is wrong.");
  });

  it("says that the backend is away, with the reference", async () => {
    await logInWith({
      "POST /api/auth/login": { status: 502, body: { detail: "The service cannot be reached right now." }, headers: { "X-Request-ID": "r-9" } },
    });
    const error = await screen.findByTestId("error");
    expect(error).toHaveTextContent("The service cannot be reached right now.");
    expect(error).toHaveTextContent("Reference: r-9");
  });

  it("says that the network is away", async () => {
    await logInWith({ "POST /api/auth/login": new TypeError("Failed to fetch") });
    expect(await screen.findByTestId("error")).toHaveTextContent("The server cannot be reached. Check your connection");
  });

  it("cannot be sent twice at once", async () => {
    let finish: () => void = () => undefined;
    const calls = fakeApi({
      "POST /api/auth/login": () => new Promise((resolve) => (finish = () => resolve({ body: ANSWER }))),
    });
    const user = userEvent.setup();
    render(<AuthForm mode="login" />);
    await user.type(screen.getByTestId("email"), "ada@example.com");
    await user.type(screen.getByTestId("password"), "pw{Enter}");
    expect(screen.getByTestId("submit")).toBeDisabled();
    expect(screen.getByTestId("submit")).toHaveTextContent("Logging in…");
    await user.keyboard("{Enter}");
    expect(calls).toHaveLength(1);
    finish();
    await waitFor(() => expect(session.get()?.token).toBe("t"));
  });

  it("shows the password on demand", async () => {
    const user = userEvent.setup();
    render(<AuthForm mode="login" />);
    expect(screen.getByTestId("password")).toHaveAttribute("type", "password");
    await user.click(screen.getByRole("button", { name: "Show password" }));
    expect(screen.getByTestId("password")).toHaveAttribute("type", "text");
  });

  it("says why one is here after a session has ended", () => {
    logIn();
    session.end("expired");
    render(<AuthForm mode="login" />);
    expect(screen.getByRole("status")).toHaveTextContent("Your session has ended.");
  });

  it("says nothing of the kind after logging out", () => {
    logIn();
    session.end("logout");
    render(<AuthForm mode="login" />);
    expect(screen.queryByTestId("info")).not.toBeInTheDocument();
  });

  it("sends on whoever is logged in already", () => {
    logIn();
    render(<AuthForm mode="login" />);
    expect(replace).toHaveBeenCalledWith("/");
  });
});
