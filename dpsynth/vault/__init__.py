"""RED: the only room that holds rows of people. Importable by service and the release-attack runner."""
