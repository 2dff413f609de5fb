"""The former place of `datasets.sources.paper`: imports of it keep working."""

from datasets.sources.paper import RootBundle, load_root

__all__ = ["RootBundle", "load_root"]
