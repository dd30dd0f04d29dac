import type { ReactNode } from "react";

function Icon({ children }: { children: ReactNode }) {
  return (
    <svg className="icon" viewBox="0 0 20 20" fill="none" stroke="currentColor" strokeWidth="1.75" strokeLinecap="round" strokeLinejoin="round" aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const PlusIcon = () => <Icon><path d="M10 4v12M4 10h12" /></Icon>;
export const CheckIcon = () => <Icon><path d="m4.5 10.5 3.5 3.5 7.5-8" /></Icon>;
export const PencilIcon = () => <Icon><path d="M12.5 4.5l3 3L7 16H4v-3zM11 6l3 3" /></Icon>;
export const TrashIcon = () => <Icon><path d="M3.5 5.5h13M8 5.5V3.75h4V5.5M5.25 5.5l.75 11h8l.75-11M8.5 8.75v4.5M11.5 8.75v4.5" /></Icon>;
export const SendIcon = () => <Icon><path d="M10 16V4.5M5 9l5-5 5 5" /></Icon>;
export const AlertIcon = () => <Icon><circle cx="10" cy="10" r="7.25" /><path d="M10 6.5v4M10 13.25v.01" /></Icon>;
export const LogoutIcon = () => <Icon><path d="M8 3.5H4.5v13H8M12.5 6.5 16 10l-3.5 3.5M16 10H8" /></Icon>;
export const ListIcon = () => <Icon><path d="m3.25 5.5 1.25 1.25L6.75 4.5M3.25 13.5l1.25 1.25 2.25-2.25M10 5.75h6.5M10 13.75h6.5" /></Icon>;
export const ChatIcon = () => <Icon><path d="M3.5 4.5h13v9H9.5L6 16.5v-3H3.5zM7 8h6M7 10.5h3.5" /></Icon>;
export const RefreshIcon = () => <Icon><path d="M16 10a6 6 0 1 1-1.9-4.4M16.25 3v3.25H13" /></Icon>;

/** The mark of the application: a hull on its slip. */
export function Mark() {
  return (
    <svg className="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect className="mark-ground" width="32" height="32" rx="9" />
      <path className="mark-line" d="m9 14.5 5 5 9.5-11" />
      <path className="mark-slip" d="M7 25h18" />
    </svg>
  );
}
