"""Todo backend: accounts, tasks, an assistant and an MCP server over one PostgreSQL database."""
