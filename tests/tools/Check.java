import java.io.FileInputStream;
import java.io.InputStream;
import java.util.TreeMap;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.PDFAValidator;
import org.verapdf.pdfa.results.TestAssertion;
import org.verapdf.pdfa.results.ValidationResult;
import org.verapdf.pdfa.validation.profiles.Profiles;
import org.verapdf.pdfa.validation.profiles.ValidationProfile;

/**
 * Runs the veraPDF rule engine over files: `java Check PROFILE[,PROFILE] FILE...`, a profile being the name of an XML
 * file beside the engine's own (PDFA-3A, PDFUA-1). One line a file and profile: file, profile, PASS or FAIL, number of
 * checks; then one line for each rule that failed.
 */
public final class Check {
    public static void main(String[] arguments) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        for (String name : arguments[0].split(",")) {
            ValidationProfile profile = load(name);
            for (int i = 1; i < arguments.length; i++) {
                run(arguments[i], name, profile);
            }
        }
    }

    private static ValidationProfile load(String name) throws Exception {
        // The engine's own directory of profiles is empty in this archive, the files are there.
        try (InputStream stream = Check.class.getResourceAsStream("/org/verapdf/pdfa/validation/" + name + ".xml")) {
            return Profiles.profileFromXml(stream);
        }
    }

    private static void run(String file, String name, ValidationProfile profile) throws Exception {
        try (InputStream stream = new FileInputStream(file);
             PDFAParser parser = Foundries.defaultInstance().createParser(stream, profile.getPDFAFlavour());
             PDFAValidator validator = Foundries.defaultInstance().createValidator(profile, 5, false, true, false)) {
            ValidationResult result = validator.validate(parser);
            String outcome = result.isCompliant() ? "PASS" : "FAIL";
            System.out.println(file + "\t" + name + "\t" + outcome + "\t" + result.getTotalAssertions());
            TreeMap<String, String> failed = new TreeMap<>();
            for (TestAssertion assertion : result.getTestAssertions()) {
                if (assertion.getStatus() != TestAssertion.Status.FAILED) {
                    continue;
                }
                String rule = assertion.getRuleId().getClause() + "-" + assertion.getRuleId().getTestNumber();
                failed.putIfAbsent(rule, assertion.getMessage() + " @ " + assertion.getLocation().getContext());
            }
            failed.forEach((rule, what) -> System.out.println("\t" + rule + "\t" + what));
        }
    }
}
