import type { ReactNode } from "react";

import { AlertIcon } from "@/components/icons";
import type { Problem } from "@/lib/api";

interface ErrorNoticeProps {
  problem: Problem;
  /** Offers to do again what failed. */
  onRetry?: (() => void) | undefined;
  onDismiss?: (() => void) | undefined;
}

/** Says what went wrong, aloud for screen readers, and offers the way out. */
export function ErrorNotice({ problem, onRetry, onDismiss }: ErrorNoticeProps) {
  return (
    <div className="notice notice-error" role="alert" data-testid="error">
      <AlertIcon />
      <div className="notice-text">
        <p>{problem.text}</p>
        {problem.reference && <p className="notice-reference">Reference: {problem.reference}</p>}
      </div>
      {onRetry && (
        <button type="button" className="button button-small" onClick={onRetry} data-testid="retry">
          Try again
        </button>
      )}
      {onDismiss && (
        <button type="button" className="button button-small" onClick={onDismiss}>
          Dismiss
        </button>
      )}
    </div>
  );
}

/** Something worth knowing that is not an error. */
export function InfoNotice({ children }: { children: ReactNode }) {
  return (
    <div className="notice" role="status" data-testid="info">
      <p>{children}</p>
    </div>
  );
}
