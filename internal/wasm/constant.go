package wasm

// constantOps are the instructions of constant expressions (specification 3.4.12) with the feature that allows them there, on
// top of the one that the instruction itself needs.
var constantOps = []struct {
	op      Opcode
	feature Features
}{
	{OpI32Const, 0}, {OpI64Const, 0}, {OpF32Const, 0}, {OpF64Const, 0}, {OpV128Const, 0},
	{OpGlobalGet, 0}, {OpRefNull, 0}, {OpRefFunc, 0}, {OpEnd, 0},
	{OpI32Add, FeatureExtendedConst}, {OpI32Sub, FeatureExtendedConst}, {OpI32Mul, FeatureExtendedConst},
	{OpI64Add, FeatureExtendedConst}, {OpI64Sub, FeatureExtendedConst}, {OpI64Mul, FeatureExtendedConst},
	{OpRefI31, 0}, {OpStructNew, 0}, {OpStructNewDefault, 0}, {OpArrayNew, 0}, {OpArrayNewDefault, 0}, {OpArrayNewFixed, 0},
	{OpAnyConvertExtern, 0}, {OpExternConvertAny, 0},
}
