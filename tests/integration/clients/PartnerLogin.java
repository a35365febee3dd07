// SPDX-License-Identifier: PostgreSQL
// A partner with a form of two fields: the JDBC URL and the user are arguments,
// the password is one line of standard input; who it is to the server goes out.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;

class PartnerLogin {
	public static void main(String[] arguments) throws Exception {
		String password = new BufferedReader(
			new InputStreamReader(System.in)).readLine();

		try (Connection c = DriverManager.getConnection(arguments[0],
				arguments[1], password);
		     ResultSet r = c.createStatement().executeQuery(
				"select current_user")) {
			r.next();
			System.out.println(r.getString(1));
		}
	}
}
