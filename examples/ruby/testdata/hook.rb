# A library that cannot make its state anew: its children must not answer.
Process.singleton_class.prepend(Module.new { def _fork = raise("no fork of this") })
->(env) { [200, {}, ["answered"]] }
