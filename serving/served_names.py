"""Names of signatures and of what they share, for those who do without TensorFlow."""

RECOMMEND = "recommend"
SERVING_DEFAULT = "serving_default"
USER_INTERESTS = "user_interests"
EXPLAIN = "explain"
TAG_PROFILE = "tag_profile"
TAG_SCORES = "tag_scores"

UNMATCHED_FILTERS = "unmatched_filters"
"""Output of ``recommend``: the values of its filters that no item has."""
