"""An assistant that needs no language model: it knows the handful of things one says to a to-do list."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
import re

from ..tools import Toolbox, ToolFailed
from . import Turn

_HELP = (
    "I keep your to-do list. Say for example “add buy milk”, “what is open?”, “done with buy milk”, "
    "“rename buy milk to buy oat milk”, “reopen buy milk” or “delete buy milk”. "
    "You can also use a task's number, as in “done with #3”."
)
_TASK_WORD = r"(?:task|todo|to-do|item|thing)"

Task = dict[str, Any]
Action = Callable[["_Session", re.Match[str]], Awaitable[str]]


class _Unclear(Exception):
    """The task that was meant could not be found; ``str()`` is what to say."""


class RuleAssistant:
    """Answers by patterns; the first that fits decides."""

    async def close(self) -> None:
        return None

    async def answer(self, message: str, history: list[Turn], tools: Toolbox) -> str:
        session = _Session(history, tools)
        said = _tidy(message)
        try:
            for pattern, action in _RULES:
                if match := pattern.fullmatch(said):
                    return await action(session, match)
        except _Unclear as error:
            return str(error)
        except ToolFailed as error:
            return f"I could not do that. {error}"
        return f"I did not understand that. {_HELP}"


def _tidy(message: str) -> str:
    """Drop what carries no meaning here: politeness, spaces and closing punctuation."""
    said = " ".join(message.split()).replace("’", "'")
    said = re.sub(r"^(?:(?:please|hey|hi|hello|ok|okay|now|so),? )+(?=\S+ )", "", said, flags=re.IGNORECASE)
    said = re.sub(r"^(?:can|could|would|will) you (?:please )?", "", said, flags=re.IGNORECASE)
    said = re.sub(r"[,]? (?:please|thanks|thank you)[.!?]*$", "", said, flags=re.IGNORECASE)
    return re.sub(r"[\s.!?]+$", "", said)


def _unquote(text: str) -> str:
    return text.strip().strip("\"'“”„‘`").strip()


def _quote(task: Task) -> str:
    return f"“{task['title']}” (#{task['id']})"


def _lines(found: list[Task]) -> str:
    return "\n".join(f"{'✓' if task['completed'] else '•'} #{task['id']} {task['title']}" for task in found)


def _count(number: int, adjective: str) -> str:
    return f"{number} {adjective} task{'' if number == 1 else 's'}"


class _Session:
    """One question: the tools, and what “it” refers to."""

    def __init__(self, history: list[Turn], tools: Toolbox) -> None:
        self._history = history
        self._tools = tools

    async def tasks(self, status: str = "all") -> list[Task]:
        found: list[Task] = (await self._tools.call("list_tasks", {"status": status}))["tasks"]
        return found

    async def use(self, name: str, arguments: dict[str, Any]) -> Task:
        return await self._tools.call(name, arguments)

    def _last_id(self) -> int | None:
        """The task the conversation touched last, which is what “it” means."""
        for turn in reversed(self._history):
            for call in reversed(turn.tool_calls):
                task_id = call.get("result", {}).get("id")
                if isinstance(task_id, int):
                    return task_id
        return None

    async def find(self, words: str, prefer_completed: bool | None = None) -> Task:
        """Return the task that ``words`` mean: a number, “it”, a title or words of one.

        Args:
            words: as the person said them.
            prefer_completed: among equally good matches, take those in this state.
        Raises:
            _Unclear: none or several fit.
        """
        words = _unquote(re.sub(r"^(?:the )?(?:tasks?|todo|item) (?!$)", "", words.strip(), flags=re.IGNORECASE))
        everything = await self.tasks()
        if number := re.fullmatch(r"(?:#|number |no\.? ?)?(\d{1,18})", words, re.IGNORECASE):
            for task in everything:
                if task["id"] == int(number[1]):
                    return task
        if words.lower() in {"it", "that", "this", "that one", "the last one"}:
            for task in everything:
                if task["id"] == self._last_id():
                    return task
            raise _Unclear("I am not sure which task you mean. Tell me its title or number.")
        if words.lower() in {"all", "everything", "all tasks", "all of them", "them all"}:
            raise _Unclear("I do that for one task at a time, to be safe. Which one?")
        wanted = words.casefold()
        bare = re.sub(r"^(?:the|my|a|an) ", "", wanted)
        asked = set(re.findall(r"\w+", bare))
        tests: tuple[Callable[[str], bool], ...] = (
            lambda title: title in (wanted, bare),
            lambda title: bare in title,
            lambda title: bool(asked) and asked <= set(re.findall(r"\w+", title)),
        )
        for fits in tests:
            matches = [task for task in everything if fits(task["title"].casefold())]
            preferred = [task for task in matches if task["completed"] is prefer_completed]
            matches = preferred or matches
            if len(matches) == 1:
                return matches[0]
            if matches:
                raise _Unclear(f"Several tasks fit. Which one do you mean?\n{_lines(matches)}")
        if not everything:
            raise _Unclear("Your list is empty, so there is nothing to find. Add something with “add buy milk”.")
        still_open = [task for task in everything if not task["completed"]]
        listing = f" These are open:\n{_lines(still_open)}" if still_open else " Nothing is open at the moment."
        raise _Unclear(f"I found no task “{words}”.{listing}")


async def _add(session: _Session, match: re.Match[str]) -> str:
    title = _unquote(match["what"])
    if not title:
        return "What shall I add? Say for example “add buy milk”."
    if len(title) > 200:
        return "That is too long for a title. Please say it in at most 200 characters."
    task = await session.use("add_task", {"title": title})
    return f"Done, I added {_quote(task)} to your list."


async def _list(session: _Session, match: re.Match[str]) -> str:
    said = match[0].lower()
    if re.search(r"\b(?:done|completed|finished)\b", said):
        found = await session.tasks("completed")
        if not found:
            return "You have not completed anything yet."
        return f"You have {_count(len(found), 'completed')}:\n{_lines(found)}"
    if re.search(r"\b(?:all|everything)\b", said):
        found = await session.tasks("all")
        if not found:
            return "Your list is empty. Add something with “add buy milk”."
        open_count = sum(not task["completed"] for task in found)
        return f"This is everything, {_count(open_count, 'open')} and {len(found) - open_count} done:\n{_lines(found)}"
    found = await session.tasks("pending")
    if not found:
        return "Nothing is open. Enjoy the quiet, or add something with “add buy milk”."
    return f"You have {_count(len(found), 'open')}:\n{_lines(found)}"


async def _complete(session: _Session, match: re.Match[str]) -> str:
    task = await session.find(match["which"], prefer_completed=False)
    if task["completed"]:
        return f"{_quote(task)} was done already."
    await session.use("complete_task", {"task_id": task["id"]})
    return f"Well done! {_quote(task)} is completed."


async def _reopen(session: _Session, match: re.Match[str]) -> str:
    task = await session.find(match["which"], prefer_completed=True)
    if not task["completed"]:
        return f"{_quote(task)} is still open."
    await session.use("update_task", {"task_id": task["id"], "completed": False})
    return f"{_quote(task)} is open again."


async def _delete(session: _Session, match: re.Match[str]) -> str:
    task = await session.find(match["which"])
    await session.use("delete_task", {"task_id": task["id"]})
    return f"I deleted {_quote(task)}."


async def _rename(session: _Session, match: re.Match[str]) -> str:
    title = _unquote(match["title"])
    if not title or len(title) > 200:
        return "The new title must have between 1 and 200 characters."
    task = await session.find(match["which"], prefer_completed=False)
    await session.use("update_task", {"task_id": task["id"], "title": title})
    return f"I renamed {_quote(task)} to “{title}”."


async def _help(_: _Session, __: re.Match[str]) -> str:
    return _HELP


async def _greet(_: _Session, __: re.Match[str]) -> str:
    return f"Hello! {_HELP}"


async def _thanks(_: _Session, __: re.Match[str]) -> str:
    return "You are welcome."


def _rule(pattern: str, action: Action) -> tuple[re.Pattern[str], Action]:
    return re.compile(pattern, re.IGNORECASE), action


# Order matters: questions before commands (“what have I done?” is no “done ...”), and the more particular
# form of a command before the general one.
_RULES: list[tuple[re.Pattern[str], Action]] = [
    _rule(r"(?:help|what can you do|what can i (?:say|do|ask)|how does this work|commands|\?*)", _help),
    _rule(r"(?:hi|hello|hey|good (?:morning|afternoon|evening))(?: there)?", _greet),
    _rule(r"(?:thanks|thank you|thx|cheers)(?: .*)?", _thanks),
    _rule(
        r"(?:what(?:'s| is| are| do| have| did)?|which|show|list|display|see|view|read|give me|tell me)\b.*"
        r"\b(?:open|left|pending|to do|todo|due|list|tasks?|todos?|to-dos|done|completed|finished|remaining|all|"
        r"everything)\b.*",
        _list,
    ),
    _rule(r"(?:list|tasks|todos?|my tasks|my list|open|pending|show)", _list),
    _rule(r"(?:completed|finished|done|all)(?: tasks)?", _list),
    _rule(r"(?:anything|is there anything|do i have anything) (?:left|open|to do|pending).*", _list),
    _rule(
        r"(?:add|create|make|new|put|note)(?: down)?(?: (?:a|another|the|new))*"
        rf"(?: {_TASK_WORD})?(?: (?:to|called|named|for)(?= ))?[: ]+(?P<what>.+?)"
        rf"(?: (?:to|on|in|onto) (?:my|the) (?:(?:{_TASK_WORD} )?list|{_TASK_WORD}s))?",
        _add,
    ),
    _rule(r"(?:todo|to do|task|remember)[: ] ?(?:to )?(?P<what>.+)", _add),
    _rule(r"remind me (?:to|about|of) (?P<what>.+)", _add),
    _rule(r"i (?:need|have|want|must)(?: to)? (?P<what>.+)", _add),
    _rule(r"(?:reopen|re-open|uncomplete|uncheck|undo|restart) (?P<which>.+)", _reopen),
    _rule(r"(?:mark |set )?(?P<which>.+?) (?:is|as) (?:not|un) ?(?:done|complete|completed|finished|open)", _reopen),
    _rule(
        r"(?:mark|set|check|tick|cross) (?P<which>.+?) (?:as |to )?(?:done|complete|completed|finished|off)", _complete
    ),
    _rule(
        r"(?:i(?:'m| am|'ve| have)? ?)?(?:just )?(?:complete|completed|finish|finished|done(?: with)?|close|did|"
        r"check off|tick off|cross off|mark off)[: ]+(?P<which>.+)",
        _complete,
    ),
    _rule(
        r"(?:rename|change|update|edit|retitle|call)(?: the)?(?: title of)? (?P<which>.+?) (?:to|into|as|->) "
        r"(?P<title>.+)",
        _rename,
    ),
    _rule(
        r"(?:delete|remove|drop|erase|cancel|forget|scrap|trash)(?: about)? (?P<which>.+?)"
        r"(?: from (?:my|the) (?:todo |to-do )?list)?",
        _delete,
    ),
    _rule(r"(?P<which>.+?) (?:is|are) (?:done|complete|completed|finished)", _complete),
]
