"""apportion: every AI bill in, every cent owned, statements out.

The flow is collect → normalize → price → attribute → allocate → post → report; each stage has a
package of that name, and the stages meet only in tables.
"""

__version__ = "0.1.0"
