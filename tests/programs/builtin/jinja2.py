"""Renders templates from a file and in a sandbox."""

import jinja2
from jinja2.sandbox import SandboxedEnvironment

with open("/tmp/page.html", "w") as file:
    file.write("{% for x in xs %}<li>{{ x|e }}</li>{% endfor %}")
env = jinja2.Environment(loader=jinja2.FileSystemLoader("/tmp"))
print(env.get_template("page.html").render(xs=["a", "<b>"]))
print(SandboxedEnvironment().from_string("{{ 6 * 7 }}").render())
