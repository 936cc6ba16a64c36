"""From a history to several interests, and how a candidate reads them out."""
