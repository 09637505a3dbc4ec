from vestibule.cli import main

main()
