"""Commands of ``polyrec``, one file each."""
