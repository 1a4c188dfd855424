"""The commands of ``tidegate``, one file for what belongs together; ``moderation.cli`` finds them by name."""
