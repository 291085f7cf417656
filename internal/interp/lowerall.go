package interp

import "fmt"

// LowerAll makes the code of all functions, which otherwise is made at their first calls.
func (c *Code) LowerAll() error {
	for fn := range c.descs {
		if _, err := c.lower(uint32(c.m.NumImportedFuncs + fn)); err != nil {
			return fmt.Errorf("function %d: %w", c.m.NumImportedFuncs+fn, err)
		}
	}
	return nil
}
