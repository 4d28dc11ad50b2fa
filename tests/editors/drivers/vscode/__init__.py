"""VS Code: its own server (code-server) with a browser, our extension, and one that the tests steer it by."""
