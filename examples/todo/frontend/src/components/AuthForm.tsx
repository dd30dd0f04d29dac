"use client";

import Link from "next/link";
import { useRouter } from "next/navigation";
import { useEffect, useId, useRef, useState, type SyntheticEvent } from "react";

import { Mark } from "@/components/icons";
import { ErrorNotice, InfoNotice } from "@/components/Notice";
import { api, explain, type Problem } from "@/lib/api";
import { session, useSession } from "@/lib/session";

type Mode = "login" | "register";

/** The backend's own rules, said before it has to refuse. */
const MIN_PASSWORD = 8;
const MAX_LENGTH = { name: 100, email: 254, password: 128 } as const;

const WORDS = {
  login: {
    title: "Welcome back",
    lead: "Log in to pick up where you left off.",
    submit: "Log in",
    busy: "Logging in…",
    other: "New here?",
    link: "Create an account",
    href: "/register",
  },
  register: {
    title: "Create your account",
    lead: "One list, and an assistant that keeps it for you.",
    submit: "Create account",
    busy: "Creating account…",
    other: "Already registered?",
    link: "Log in",
    href: "/login",
  },
} as const;

type Fields = { name: string; email: string; password: string };
type FieldErrors = Partial<Record<keyof Fields, string>>;

function check(mode: Mode, fields: Fields): FieldErrors {
  const errors: FieldErrors = {};
  if (!/^\S+@\S+\.\S+$/.test(fields.email.trim())) {
    errors.email = "Enter an email address, like ada@example.com.";
  }
  if (!fields.password) {
    errors.password = "Enter your password.";
  } else if (mode === "register" && fields.password.length < MIN_PASSWORD) {
    errors.password = `Use at least ${MIN_PASSWORD} characters.`;
  }
  return errors;
}

interface FieldProps {
  label: string;
  name: keyof Fields;
  type: "text" | "email" | "password";
  autoComplete: string;
  value: string;
  error?: string | undefined;
  hint?: string | undefined;
  optional?: boolean;
  onChange: (value: string) => void;
}

function Field({ label, name, type, autoComplete, value, error, hint, optional, onChange }: FieldProps) {
  const id = useId();
  const [shown, setShown] = useState(false);
  const note = error ?? hint;
  return (
    <div className="field">
      <label htmlFor={id}>
        {label}
        {optional && <span className="muted"> (optional)</span>}
      </label>
      <div className="field-box">
        <input
          id={id}
          name={name}
          data-testid={name}
          type={type === "password" && shown ? "text" : type}
          autoComplete={autoComplete}
          autoCapitalize={name === "name" ? "words" : "none"}
          spellCheck={false}
          maxLength={MAX_LENGTH[name]}
          value={value}
          required={!optional}
          aria-invalid={error ? true : undefined}
          aria-describedby={note ? `${id}-note` : undefined}
          onChange={(event) => onChange(event.target.value)}
        />
        {type === "password" && (
          <button type="button" className="field-toggle" aria-pressed={shown} aria-label="Show password" onClick={() => setShown(!shown)}>
            {shown ? "Hide" : "Show"}
          </button>
        )}
      </div>
      {note && (
        <p id={`${id}-note`} className={error ? "field-note field-error" : "field-note"}>
          {note}
        </p>
      )}
    </div>
  );
}

/** The log-in and the registration page: the same frame, one form each. */
export function AuthForm({ mode }: { mode: Mode }) {
  const words = WORDS[mode];
  const router = useRouter();
  const current = useSession();
  const form = useRef<HTMLFormElement>(null);
  const [fields, setFields] = useState<Fields>({ name: "", email: "", password: "" });
  const [errors, setErrors] = useState<FieldErrors>({});
  const [failure, setFailure] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);

  useEffect(() => {
    if (current) {
      router.replace("/");
    }
  }, [current, router]);

  const change = (name: keyof Fields) => (value: string) => {
    setFields((before) => ({ ...before, [name]: value }));
    setErrors((before) => ({ ...before, [name]: undefined }));
  };

  async function submit(event: SyntheticEvent) {
    event.preventDefault();
    if (busy) {
      return;
    }
    const found = check(mode, fields);
    setErrors(found);
    setFailure(null);
    const first = (["email", "password"] as const).find((name) => found[name]);
    if (first) {
      form.current?.querySelector<HTMLInputElement>(`input[name="${first}"]`)?.focus();
      return;
    }
    setBusy(true);
    try {
      const email = fields.email.trim();
      const name = fields.name.trim();
      const answer =
        mode === "login"
          ? await api.login({ email, password: fields.password })
          : await api.register({ email, password: fields.password, ...(name ? { name } : {}) });
      session.start({ token: answer.access_token, user: answer.user });
    } catch (error) {
      setFailure(explain(error));
      setBusy(false);
    }
  }

  return (
    <main className="auth">
      <section className="auth-story" aria-label="About Slipway Todo">
        <p className="brand">
          <Mark />
          <span>Slipway Todo</span>
        </p>
        <div className="auth-pitch">
          <h2>Say it, and it is on the list.</h2>
          <ul>
            <li>Write tasks yourself, or ask the assistant in plain words.</li>
            <li>See what is left to do and what is behind you.</li>
            <li>Yours alone: every account has a list of its own.</li>
          </ul>
        </div>
      </section>
      <section className="auth-side">
        <form ref={form} className="auth-card" data-testid={`${mode}-form`} aria-labelledby="auth-title" aria-busy={busy} noValidate onSubmit={submit} method="post">
          <header>
            <h1 id="auth-title">{words.title}</h1>
            <p className="muted">{words.lead}</p>
          </header>
          {failure && <ErrorNotice problem={failure} />}
          {!failure && mode === "login" && current === null && session.hasExpired() && (
            <InfoNotice>Your session has ended. Log in again to go on.</InfoNotice>
          )}
          {mode === "register" && (
            <Field label="Name" name="name" type="text" autoComplete="name" value={fields.name} optional onChange={change("name")} />
          )}
          <Field label="Email" name="email" type="email" autoComplete="email" value={fields.email} error={errors.email} onChange={change("email")} />
          <Field
            label="Password"
            name="password"
            type="password"
            autoComplete={mode === "login" ? "current-password" : "new-password"}
            value={fields.password}
            error={errors.password}
            hint={mode === "register" ? `At least ${MIN_PASSWORD} characters.` : undefined}
            onChange={change("password")}
          />
          <button type="submit" className="button button-primary button-wide" data-testid="submit" disabled={busy || current === undefined}>
            {busy && <span className="spinner" aria-hidden="true" />}
            {busy ? words.busy : words.submit}
          </button>
          <p className="auth-other">
            {words.other}{" "}
            <Link href={words.href} data-testid={mode === "login" ? "show-register" : "show-login"}>
              {words.link}
            </Link>
          </p>
        </form>
      </section>
    </main>
  );
}
