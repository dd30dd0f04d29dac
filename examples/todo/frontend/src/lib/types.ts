/** A registered person, as the API shows them. */
export interface User {
  id: string;
  email: string;
  name: string | null;
}

/** Answer to a registration or log-in. */
export interface AuthAnswer {
  access_token: string;
  token_type: string;
  user: User;
}

export interface Task {
  id: string | number;
  title: string;
  description: string | null;
  completed: boolean;
  /** ISO 8601. */
  created_at: string;
  updated_at: string;
}

export interface ToolCall {
  name: string;
  arguments: unknown;
  result: unknown;
}

export interface ChatAnswer {
  conversation_id: string | number;
  reply: string;
  tool_calls: ToolCall[];
}
