"""An adapter as folder, zip or merged model, with code that uses it and a proof that it answers."""
