"""The live screen of a service, `strongroom explorer watch`: feed → model → lines → screen."""
