"""Model servers as child processes on the machine the bot runs on."""
