"""Operations on a pushed model or a running server: query, refresh, roll out."""
