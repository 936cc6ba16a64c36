"""Typed arrays from columns: ids, times, labels, attributes."""
