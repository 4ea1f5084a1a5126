"""One module per command. They import no other command, and nothing but `app` imports them."""
