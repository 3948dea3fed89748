"""How shells complete what is typed."""

from click.shell_completion import BashComplete, CompletionItem


class Bash(BashComplete):
    """Bash, to which every “=” is a word of its own (COMP_WORDBREAKS)."""

    _before = ""
    """What bash keeps of the word, up to its last “=”."""

    def get_completion_args(self) -> tuple[list[str], str]:
        """See `BashComplete`."""
        args, incomplete = super().get_completion_args()
        words: list[str] = []
        for word in (*args, incomplete):
            if words and (word == "=" or words[-1].endswith("=")):
                words[-1] += word
            else:
                words.append(word)
        *before, last = words
        self._before = last.rpartition("=")[0].rpartition("=")[2] + "="
        return before, last

    def format_completion(self, item: CompletionItem) -> str:
        """See `BashComplete`."""
        return f"{item.type},{item.value.removeprefix(self._before)}"
